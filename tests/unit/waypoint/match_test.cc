#include "waypoint/match.h"

#include "tests/support/catch.h"
#include "tests/unit/waypoint/route_text.h"

namespace aquifer::waypoint {
namespace {

using test::BackendOf;
using test::Request;
using test::RouteOf;
using test::To;

std::string Find(const RouteTable& table, const Request& request) {
  const auto input = request.Finish();
  return BackendOf(table.Find(input->view).rule);
}

std::string Rule(const std::string& matches, const std::string& backend) {
  return "rules { " + matches + " " + To(backend) + " }";
}
std::string Exact(const std::string& path) {
  return R"(path { type: MATCH_TYPE_EXACT value: ")" + path + R"(" })";
}
std::string Prefix(const std::string& path) {
  return R"(path { type: MATCH_TYPE_PREFIX value: ")" + path + R"(" })";
}
std::string Pattern(const std::string& path) {
  return R"(path { type: MATCH_TYPE_REGULAR_EXPRESSION value: ")" + path + R"(" })";
}
std::string Match(const std::string& inner) { return "matches { " + inner + " }"; }
std::string HeaderIs(const std::string& name, const std::string& value) {
  return R"(headers { type: MATCH_TYPE_EXACT name: ")" + name + R"(" value: ")" + value + R"(" })";
}
std::string QueryIs(const std::string& name, const std::string& value) {
  return R"(query_params { type: MATCH_TYPE_EXACT name: ")" + name + R"(" value: ")" + value +
         R"(" })";
}

TEST_CASE("a prefix matches whole segments, and a slash at its end means nothing") {
  const RouteTable table({RouteOf(Rule(Match(Prefix("/v2/")), "v2") + Rule("", "other"))});
  CHECK(Find(table, Request().Path("/v2")) == "v2");
  CHECK(Find(table, Request().Path("/v2/")) == "v2");
  CHECK(Find(table, Request().Path("/v2/x/y")) == "v2");
  CHECK(Find(table, Request().Path("/v2?x=1")) == "v2");
  CHECK(Find(table, Request().Path("/v2example")) == "other");
  CHECK(Find(table, Request().Path("/V2")) == "other");
  CHECK(Find(table, Request().Path("/")) == "other");
}

TEST_CASE("an exact path keeps slash and case") {
  const RouteTable table({RouteOf(Rule(Match(Exact("/one")), "one"))});
  CHECK(Find(table, Request().Path("/one")) == "one");
  CHECK(Find(table, Request().Path("/one?q")) == "one");
  CHECK(Find(table, Request().Path("/one/")) == "none");
  CHECK(Find(table, Request().Path("/One")) == "none");
  CHECK(Find(table, Request().Path("/one/two")) == "none");
}

TEST_CASE("exact beats prefix, a longer prefix beats a shorter one, a pattern comes last") {
  const RouteTable table({RouteOf(
      Rule(Match(Pattern("/match/.*")), "pattern") + Rule(Match(Prefix("/match/")), "short") +
      Rule(Match(Prefix("/match/prefix/one")), "long") +
      Rule(Match(Exact("/match/exact")), "exact") + Rule(Match(Pattern("/p[0-9]+")), "digits") +
      Rule(Match(Pattern("/p[0-9]+x?")), "longer"))});
  CHECK(Find(table, Request().Path("/match/exact")) == "exact");
  CHECK(Find(table, Request().Path("/match/exact/x")) == "short");
  CHECK(Find(table, Request().Path("/match/prefix/one/any")) == "long");
  CHECK(Find(table, Request().Path("/match/prefix/two")) == "short");
  CHECK(Find(table, Request().Path("/p12")) == "longer");
  CHECK(Find(table, Request().Path("/p12/")) == "none");
}

TEST_CASE("an escape is one whichever case its digits have, in routes and in requests") {
  for (const char* const value : {"/caf%c3%a9", "/caf%C3%A9"}) {
    for (const std::string& match :
         {Exact(value), Prefix(value), Pattern(value), HeaderIs(":path", value)}) {
      INFO(match);
      const RouteTable table({RouteOf(Rule(Match(match), "cafe"))});
      for (const char* const path : {"/caf%c3%a9", "/caf%C3%a9", "/caf%C3%A9"}) {
        CHECK(Find(table, Request().Path(path)) == "cafe");
      }
      CHECK(Find(table, Request().Path("/caf%C3%AA")) == "none");
    }
  }
}

TEST_CASE("headers are matched by name in either case and all of them are needed") {
  const RouteTable table(
      {RouteOf(Rule(Match(HeaderIs("Version", "one")), "one") +
               Rule(Match(HeaderIs("version", "two") + HeaderIs("color", "blue")), "two"))});
  CHECK(Find(table, Request().Header("VERSION", "one")) == "one");
  CHECK(Find(table, Request().Header("version", "One")) == "none");
  CHECK(Find(table, Request().Header("version", "two").Header("color", "blue")) == "two");
  CHECK(Find(table, Request().Header("version", "two")) == "none");
  CHECK(Find(table, Request()) == "none");
}

TEST_CASE("a repeated header is one value joined by commas") {
  const RouteTable table({RouteOf(Rule(Match(HeaderIs("a", "1,2")), "joined"))});
  CHECK(Find(table, Request().Header("a", "1").Header("A", "2")) == "joined");
  CHECK(Find(table, Request().Header("a", "1")) == "none");
}

TEST_CASE("of two header matches with one name the first counts") {
  const RouteTable table({RouteOf(Rule(Match(HeaderIs("a", "1") + HeaderIs("A", "2")), "first"))});
  CHECK(Find(table, Request().Header("a", "1")) == "first");
}

TEST_CASE("query parameters match by exact name and first value") {
  const RouteTable table({RouteOf(Rule(Match(QueryIs("animal", "whale")), "whale") +
                                  Rule(Match(QueryIs("empty", "")), "empty"))});
  CHECK(Find(table, Request().Path("/?animal=whale")) == "whale");
  CHECK(Find(table, Request().Path("/?x=1&animal=whale&animal=cat")) == "whale");
  CHECK(Find(table, Request().Path("/?animal=cat&animal=whale")) == "none");
  CHECK(Find(table, Request().Path("/?ANIMAL=whale")) == "none");
  CHECK(Find(table, Request().Path("/?empty")) == "empty");
  CHECK(Find(table, Request().Path("/?empty=")) == "empty");
  CHECK(Find(table, Request().Path("/?&&empty=&")) == "empty");
}

TEST_CASE("a regular expression has to match the whole value") {
  const RouteTable table({RouteOf(
      R"(rules { matches { headers { type: MATCH_TYPE_REGULAR_EXPRESSION name: "v" value: "a|b+" } } )" +
      To("hit") + " }")});
  CHECK(Find(table, Request().Header("v", "bbb")) == "hit");
  CHECK(Find(table, Request().Header("v", "ab")) == "none");
}

TEST_CASE("a method matches itself only, and GET is not HEAD") {
  const RouteTable table({RouteOf(Rule(Match(R"(method: "GET")"), "get"))});
  CHECK(Find(table, Request()) == "get");
  CHECK(Find(table, Request().Method("HEAD")) == "none");
  CHECK(Find(table, Request().Method("get")) == "none");
}

TEST_CASE("method comes before headers, and headers before query parameters") {
  const RouteTable table(
      {RouteOf(Rule(Match(QueryIs("q", "1") + QueryIs("r", "1")), "query") +
               Rule(Match(HeaderIs("h", "1")), "header") +
               Rule(Match(R"(method: "PUT")"), "method") + Rule(Match(Prefix("/path")), "path"))});
  const auto all = Request().Path("/?q=1&r=1").Header("h", "1").Method("PUT");
  CHECK(Find(table, all) == "method");
  CHECK(Find(table, Request().Path("/?q=1&r=1").Header("h", "1")) == "header");
  CHECK(Find(table, Request().Path("/?q=1&r=1")) == "query");
  CHECK(Find(table, Request().Path("/path?q=1&r=1").Header("h", "1").Method("PUT")) == "path");
}

TEST_CASE("the oldest route wins, then the first by namespace and name, then the first rule") {
  const auto rule = [](const std::string& name) { return Rule(Match(Prefix("/")), name); };
  const RoutePtr young = RouteOf(R"(name: "a" creation_seconds: 20 )" + rule("young"));
  const RoutePtr old_b = RouteOf(R"(name: "b" creation_seconds: 10 )" + rule("b"));
  const RoutePtr old_c =
      RouteOf(R"(name: "c" creation_seconds: 10 )" + rule("first") + rule("second"));
  CHECK(Find(RouteTable({young, old_c, old_b}), Request()) == "b");
  CHECK(Find(RouteTable({young, old_c}), Request()) == "first");
  CHECK(Find(RouteTable({young}), Request()) == "young");
}

TEST_CASE("matches of a rule are alternatives, and precedence runs over rules of all routes") {
  const RoutePtr a = RouteOf(R"(name: "a" creation_seconds: 1 )" +
                             Rule(Match(Prefix("/a")) + Match(HeaderIs("x", "1")), "a"));
  const RoutePtr b =
      RouteOf(R"(name: "b" creation_seconds: 2 )" + Rule(Match(Prefix("/a/b")), "b"));
  const RouteTable table({a, b});
  CHECK(Find(table, Request().Path("/a/b/c")) == "b");
  CHECK(Find(table, Request().Path("/a/c")) == "a");
  CHECK(Find(table, Request().Path("/z").Header("x", "1")) == "a");
}

TEST_CASE("every match of a table agrees with the match looked at alone") {
  const RouteTable table(
      {RouteOf(Rule(Match(Prefix("/a//")), "slashes") + Rule(Match(Prefix("/a")), "a") +
               Rule(Match(Prefix("/")), "all"))});
  for (const char* const path : {"/", "/a", "/a/", "/a//", "/a//b", "/ab", "//", "//a", "/b//a"}) {
    INFO(path);
    const auto input = Request().Path(path).Finish();
    const Matched found = table.Find(input->view);
    REQUIRE(found.rule != nullptr);
    CHECK(MatchesPath(found.match->path, input->view.path));
  }
}

}  // namespace
}  // namespace aquifer::waypoint
