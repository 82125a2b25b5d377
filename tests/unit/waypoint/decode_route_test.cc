#include "waypoint/decode_route.h"

#include "tests/support/catch.h"
#include "tests/unit/waypoint/policy_text.h"
#include "waypoint/decode_gateway.h"

namespace aquifer::waypoint {
namespace {

std::string RefusalOf(const std::string& text) {
  const Decoded<HttpRoute> route =
      DecodeHttpRoute(test::Parse<mesh::v1::HttpRoute>(R"(namespace: "app" name: "r" )" + text));
  return route.ok() ? "accepted" : route.error().field;
}

TEST_CASE("a match that cannot be used refuses the route and names the field") {
  CHECK(RefusalOf("rules { matches { path { value: '/a' } } }") == "rules[0].matches[0].path.type");
  CHECK(RefusalOf("rules { matches { path { type: MATCH_TYPE_EXACT value: 'a' } } }") ==
        "rules[0].matches[0].path.value");
  CHECK(RefusalOf("rules { matches { path { type: 99 value: '/a' } } }") ==
        "rules[0].matches[0].path.type");
  CHECK(
      RefusalOf("rules { matches { path { type: MATCH_TYPE_REGULAR_EXPRESSION value: '(' } } }") ==
      "rules[0].matches[0].path.value");
  CHECK(RefusalOf("rules { matches { headers { type: MATCH_TYPE_PREFIX name: 'a' } } }") ==
        "rules[0].matches[0].headers[0].type");
  CHECK(RefusalOf("rules { matches { headers { type: MATCH_TYPE_EXACT name: 'a b' } } }") ==
        "rules[0].matches[0].headers[0].name");
  CHECK(RefusalOf("rules { matches { query_params { type: MATCH_TYPE_EXACT } } }") ==
        "rules[0].matches[0].query_params[0].name");
  CHECK(RefusalOf("rules { matches { method: 'GET /' } }") == "rules[0].matches[0].method");
  CHECK(RefusalOf("hostnames: 'a..b'") == "hostnames[0]");
  CHECK(RefusalOf("parents { }") == "parents[0]");
  CHECK(RefusalOf("parents { service { namespace: 'a' hostname: 'b' port: 70000 } }") ==
        "parents[0].service.port");
}

TEST_CASE("a route may be for all hosts of the ServiceEntries that it names") {
  std::string parents;
  for (int i = 0; i < 32 * 256; ++i)
    parents += "parents { service { namespace: 'a' hostname: 'b' } } ";
  CHECK(RefusalOf(parents) == "accepted");
  CHECK(RefusalOf(parents + "parents { service { namespace: 'a' hostname: 'b' } }") == "parents");
}

TEST_CASE("a field of a later version in a match refuses the route") {
  auto message = test::Parse<mesh::v1::HttpRoute>(
      "namespace: 'app' name: 'r' rules { matches { method: 'GET' } }");
  auto* const match = message.mutable_rules(0)->mutable_matches(0);
  match->GetReflection()->MutableUnknownFields(match)->AddVarint(99, 1);
  CHECK_FALSE(DecodeHttpRoute(message).ok());
}

TEST_CASE("regular expressions are bounded in size") {
  const std::string bomb = "((a{100}){100}){100}";
  CHECK_FALSE(Regex::Compile(bomb, "x").ok());
  CHECK_FALSE(Regex::Compile(std::string(2000, 'a'), "x").ok());
  CHECK(Regex::Compile("/users/[a-z0-9-]{1,63}/items", "x").ok());
}

TEST_CASE("a filter that cannot be applied marks its rule") {
  const auto invalid = [](const std::string& filter) {
    const Decoded<HttpRoute> route = DecodeHttpRoute(test::Parse<mesh::v1::HttpRoute>(
        "namespace: 'app' name: 'r' rules { filters { " + filter + " } }"));
    REQUIRE(route.ok());
    return !route->rules[0].filters.invalid.empty();
  };
  CHECK(invalid("request_redirect { status_code: 200 }"));
  CHECK(invalid("request_redirect { scheme: 'ftp' }"));
  CHECK(invalid("request_redirect { port: 70000 }"));
  CHECK(invalid("request_redirect { path { } }"));
  CHECK(invalid("url_rewrite { path { replace_full_path: '/a?b' } }"));
  CHECK(invalid("url_rewrite { path { replace_full_path: '/a b' } }"));
  CHECK(invalid("url_rewrite { hostname: 'a b' }"));
  CHECK(invalid("request_header_modifier { set { name: 'a b' value: 'c' } }"));
  CHECK(invalid("request_header_modifier { set { name: 'a' value: 'c\\r\\nd: e' } }"));
  CHECK(invalid("request_header_modifier { remove: 'Content-Length' }"));
  CHECK(invalid("request_header_modifier { set { name: 'Transfer-Encoding' value: 'x' } }"));
  CHECK(invalid("request_mirror { numerator: 3 denominator: 2 }"));
  CHECK(invalid("request_redirect { } } filters { url_rewrite { }"));
  CHECK_FALSE(invalid("request_header_modifier { set { name: 'a' value: '' } }"));
}

TEST_CASE("a gateway is refused with the field that is wrong") {
  const auto refusal = [](const std::string& text) {
    const Decoded<Gateway> gateway = DecodeGateway(test::Parse<mesh::v1::Gateway>(text));
    return gateway.ok() ? "accepted" : gateway.error().field;
  };
  const std::string named = "namespace: 'a' name: 'b' ";
  CHECK(refusal("") == "namespace");
  CHECK(refusal("namespace: 'a/b'") == "namespace");
  CHECK(refusal(named + "listeners { name: 'l' }") == "listeners[0].port");
  CHECK(refusal(named + "listeners { name: 'l' port: 80 hostname: '*' }") ==
        "listeners[0].hostname");
  CHECK(refusal(named + "waypoint_for: 9") == "waypoint_for");
  CHECK(refusal(named + "mesh { path_normalization: 9 }") == "mesh.path_normalization");
  CHECK(refusal(named + "listeners { name: 'l' port: 80 protocol: LISTENER_PROTOCOL_HTTP }") ==
        "accepted");
}

}  // namespace
}  // namespace aquifer::waypoint
