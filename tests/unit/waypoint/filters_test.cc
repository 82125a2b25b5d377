#include "tests/support/catch.h"
#include "tests/unit/waypoint/route_text.h"
#include "waypoint/filters/cors.h"
#include "waypoint/filters/header_modifier.h"
#include "waypoint/filters/redirect.h"
#include "waypoint/filters/rewrite.h"

namespace aquifer::waypoint {
namespace {

using test::Request;
using Type = PathModifier::Type;

TEST_CASE("replacing a prefix leaves neither a double slash nor an empty path") {
  struct Case {
    const char* path;
    const char* prefix;
    const char* replacement;
    const char* result;
  };
  const Case cases[] = {
      {"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
      {"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
      {"/foo", "/foo", "/xyz", "/xyz"},
      {"/foo/", "/foo", "/xyz", "/xyz/"},
      {"/foo/bar", "/foo", "", "/bar"},
      {"/foo/bar", "/foo", "/", "/bar"},
      {"/foo/", "/foo", "", "/"},
      {"/foo", "/foo", "", "/"},
      {"/foo/", "/foo", "/", "/"},
      {"/foo", "/foo", "/", "/"},
      {"/foo/bar", "/", "/xyz", "/xyz/foo/bar"},
      {"/", "/", "/xyz", "/xyz/"},
  };
  for (const Case& one : cases) {
    INFO(one.path << " " << one.prefix << " -> " << one.replacement);
    const PathMatch match{PathMatch::Type::kPrefix, one.prefix, {}};
    CHECK(ModifyPath({Type::kReplacePrefixMatch, one.replacement}, match, one.path) == one.result);
  }
}

TEST_CASE("a prefix is replaced whatever case its escapes have, and the rest stays as it came") {
  const PathMatch match{PathMatch::Type::kPrefix, "/caf%C3%A9", {}};
  CHECK(ModifyPath({Type::kReplacePrefixMatch, "/x"}, match, "/caf%c3%a9/%c3%a9") == "/x/%c3%a9");
  const auto input = Request().Host("a.com").Path("/caf%c3%a9/%c3?%c3").Finish();
  RequestRedirect redirect;
  redirect.path = {Type::kReplacePrefixMatch, "/new"};
  CHECK(RedirectLocation(redirect, match, input->view, 80) == "http://a.com/new/%c3?%c3");
}

TEST_CASE("a rewrite keeps the query and tells the original path") {
  http::RequestHead head{"GET", "http", "a.com", "/foo/bar?x=/foo", {}};
  const UrlRewrite rewrite{.hostname = "b.com", .path = {Type::kReplacePrefixMatch, "/new"}};
  REQUIRE(Rewrite(rewrite, {PathMatch::Type::kPrefix, "/foo", {}}, head));
  CHECK(head.authority == "b.com");
  CHECK(head.path == "/new/bar?x=/foo");
  CHECK(head.headers.Get("x-envoy-original-path") == "/foo/bar?x=/foo");
  REQUIRE(Rewrite({.hostname = "", .path = {Type::kReplaceFullPath, "/full"}}, {}, head));
  CHECK(head.path == "/full?x=/foo");
  CHECK(head.authority == "b.com");
}

TEST_CASE("a redirect fills from the request, the scheme and the listener what it does not say") {
  struct Case {
    RequestRedirect redirect;
    std::uint16_t listener_port;
    const char* location;
  };
  const auto redirect = [](const char* scheme, const char* host, std::uint16_t port) {
    return RequestRedirect{.scheme = scheme, .hostname = host, .path = {}, .port = port};
  };
  const Case cases[] = {
      {redirect("", "b.com", 0), 80, "http://b.com/p?q"},
      {redirect("", "", 0), 80, "http://a.com/p?q"},
      {redirect("", "b.com", 0), 8080, "http://b.com:8080/p?q"},
      {redirect("https", "b.com", 0), 8080, "https://b.com/p?q"},
      {redirect("http", "b.com", 0), 8080, "http://b.com/p?q"},
      {redirect("", "b.com", 8083), 80, "http://b.com:8083/p?q"},
      {redirect("", "b.com", 80), 8080, "http://b.com/p?q"},
      {redirect("https", "b.com", 443), 80, "https://b.com/p?q"},
      {redirect("https", "b.com", 8443), 80, "https://b.com:8443/p?q"},
      {redirect("http", "b.com", 443), 80, "http://b.com:443/p?q"},
  };
  const auto input = Request().Host("a.com:9000").Path("/p?q").Finish();
  for (const Case& one : cases) {
    CHECK(RedirectLocation(one.redirect, {}, input->view, one.listener_port) == one.location);
  }
}

TEST_CASE("a redirect can replace the path") {
  const auto input = Request().Host("a.com").Path("/foo/bar?x=1").Finish();
  RequestRedirect redirect;
  redirect.path = {Type::kReplacePrefixMatch, "/new"};
  const PathMatch prefix{PathMatch::Type::kPrefix, "/foo", {}};
  CHECK(RedirectLocation(redirect, prefix, input->view, 80) == "http://a.com/new/bar?x=1");
  redirect.path = {Type::kReplaceFullPath, "/full"};
  CHECK(RedirectLocation(redirect, prefix, input->view, 80) == "http://a.com/full?x=1");
}

TEST_CASE("header modifiers set, add and remove by names in either case") {
  http::RequestHead head{"GET", "http", "a.com", "/", {}};
  REQUIRE(head.headers.Add("X-Set", "old"));
  REQUIRE(head.headers.Add("x-set", "older"));
  REQUIRE(head.headers.Add("X-Add", "first"));
  REQUIRE(head.headers.Add("X-Remove", "1"));
  HeaderModifier modifier;
  modifier.set = {{"x-set", "new"}, {"x-fresh", "1"}, {"host", "b.com"}};
  modifier.add = {{"x-add", "second"}};
  modifier.remove = {"x-remove"};
  REQUIRE(ModifyRequest(modifier, head));
  CHECK(head.headers.GetJoined("x-set") == "new");
  CHECK(head.headers.Get("x-fresh") == "1");
  CHECK(head.headers.GetJoined("x-add") == "first, second");
  CHECK_FALSE(head.headers.Has("x-remove"));
  CHECK(head.authority == "b.com");
  CHECK_FALSE(head.headers.Has("host"));
}

TEST_CASE("a second host cannot be added") {
  http::RequestHead head{"GET", "http", "a.com", "/", {}};
  HeaderModifier modifier;
  modifier.add = {{"host", "evil.com"}};
  CHECK_FALSE(ModifyRequest(modifier, head));
}

Cors CorsOf(std::vector<std::string> origins, bool credentials) {
  Cors cors;
  cors.allow_origins = std::move(origins);
  cors.allow_credentials = credentials;
  cors.allow_methods = {"GET", "OPTIONS"};
  cors.allow_headers = {"x-one", "x-two"};
  return cors;
}

TEST_CASE("origins match exactly, by wildcard over labels, or all") {
  const Cors cors =
      CorsOf({"https://www.foo.com", "https://*.bar.com", "http://x.org:8080"}, false);
  CHECK(AllowsOrigin(cors, "https://www.foo.com"));
  CHECK(AllowsOrigin(cors, "https://www.foo.com:443"));
  CHECK(AllowsOrigin(cors, "https://a.b.bar.com"));
  CHECK(AllowsOrigin(cors, "http://x.org:8080"));
  CHECK_FALSE(AllowsOrigin(cors, "http://www.foo.com"));
  CHECK_FALSE(AllowsOrigin(cors, "https://bar.com"));
  CHECK_FALSE(AllowsOrigin(cors, "https://evilbar.com"));
  CHECK_FALSE(AllowsOrigin(cors, "https://www.foo.com.evil.org"));
  CHECK_FALSE(AllowsOrigin(cors, "http://x.org"));
  CHECK_FALSE(AllowsOrigin(cors, "null"));
  CHECK(AllowsOrigin(CorsOf({"*"}, false), "https://any.org"));
  CHECK_FALSE(AllowsOrigin(CorsOf({}, false), "https://any.org"));
}

TEST_CASE("a preflight from an allowed origin is told what it may do") {
  const auto input = Request()
                         .Method("OPTIONS")
                         .Header("origin", "https://www.foo.com")
                         .Header("access-control-request-method", "PUT")
                         .Header("access-control-request-headers", "x-mine")
                         .Finish();
  REQUIRE(IsPreflight(input->view));
  Cors cors = CorsOf({"https://www.foo.com"}, true);
  http::HeaderList fields = PreflightFields(cors, input->view);
  CHECK(fields.Get("access-control-allow-origin") == "https://www.foo.com");
  CHECK(fields.Get("access-control-allow-methods") == "GET, OPTIONS");
  CHECK(fields.Get("access-control-allow-headers") == "x-one, x-two");
  CHECK(fields.Get("access-control-allow-credentials") == "true");
  CHECK(fields.Get("access-control-max-age") == "5");

  cors.allow_methods = {"*"};
  cors.allow_headers = {"*"};
  fields = PreflightFields(cors, input->view);
  CHECK(fields.Get("access-control-allow-methods") == "PUT");
  CHECK(fields.Get("access-control-allow-headers") == "x-mine");
}

TEST_CASE("a preflight from a foreign origin is told nothing") {
  const auto input = Request()
                         .Method("OPTIONS")
                         .Header("origin", "https://evil.org")
                         .Header("access-control-request-method", "PUT")
                         .Finish();
  CHECK(PreflightFields(CorsOf({"https://www.foo.com"}, true), input->view).empty());
}

TEST_CASE("a response is marked for its origin and loses what the application said about it") {
  http::HeaderList headers;
  REQUIRE(headers.Add("access-control-allow-origin", "*"));
  REQUIRE(headers.Add("access-control-allow-credentials", "true"));
  REQUIRE(MarkResponse(CorsOf({"https://a.com"}, false), "https://a.com", headers));
  CHECK(headers.GetJoined("access-control-allow-origin") == "https://a.com");
  CHECK_FALSE(headers.Has("access-control-allow-credentials"));
  CHECK(headers.HasToken("vary", "origin"));
  REQUIRE(MarkResponse(CorsOf({"https://a.com"}, false), "https://evil.org", headers));
  CHECK_FALSE(headers.Has("access-control-allow-origin"));
}

}  // namespace
}  // namespace aquifer::waypoint
