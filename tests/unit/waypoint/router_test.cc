#include "waypoint/router.h"

#include <map>

#include "tests/support/catch.h"
#include "tests/unit/waypoint/route_text.h"

namespace aquifer::waypoint {
namespace {

using test::Request;
using test::RouteOf;

const ServiceRef kOwn{"app", "own.app.svc.cluster.local", 80};

RouteAction Act(const RoutePtr& route, const ServiceRef* own, std::uint64_t random = 0) {
  const auto input = Request().Finish();
  const RouteTable table({route});
  return Decide(table.Find(input->view), input->view, own, 80, random);
}

std::string Backend(const char* name, int weight, const char* extra = "") {
  return R"(backends { weight: )" + std::to_string(weight) +
         R"( service { namespace: "app" port: 80 hostname: ")" + name + R"(.app" } )" + extra +
         " } ";
}

TEST_CASE("backends get their share by weight and 0 is never chosen") {
  const RoutePtr route =
      RouteOf("rules { " + Backend("a", 7) + Backend("b", 3) + Backend("c", 0) + " }");
  std::map<std::string, int> hits;
  for (std::uint64_t random = 0; random < 1000; ++random) {
    ++hits[PickBackend(route->rules[0], random)->service.hostname];
  }
  CHECK(hits["a.app"] == 700);
  CHECK(hits["b.app"] == 300);
  CHECK(hits.count("c.app") == 0);
}

TEST_CASE("the share of a backend that cannot be used is answered 500") {
  const RoutePtr route =
      RouteOf("rules { " + Backend("a", 1) + Backend("b", 1, R"(invalid: "not found")") + " }");
  CHECK_FALSE(Act(route, nullptr, 0).reply.has_value());
  const RouteAction action = Act(route, nullptr, 1);
  REQUIRE(action.reply.has_value());
  CHECK(action.reply->status == 500);
  CHECK(action.reply->body.empty());
}

TEST_CASE("a bad backend of weight 0 disturbs nobody") {
  const RoutePtr route =
      RouteOf("rules { " + Backend("a", 1) + R"(backends { weight: 0 invalid: "gone" } })");
  CHECK_FALSE(Act(route, nullptr, 7).reply.has_value());
}

TEST_CASE("a rule without backends sends to the service addressed, and at a listener answers 500") {
  const RoutePtr route = RouteOf("rules { }");
  CHECK(Act(route, &kOwn).destination == kOwn);
  CHECK(Act(route, nullptr).reply->status == 500);
}

TEST_CASE("all weights 0 is a 500") {
  CHECK(Act(RouteOf("rules { " + Backend("a", 0) + " }"), &kOwn).reply->status == 500);
}

TEST_CASE("nothing matched is a 404 without a body") {
  const RouteAction action = Decide({}, Request().Finish()->view, &kOwn, 80, 0);
  REQUIRE(action.reply.has_value());
  CHECK(action.reply->status == 404);
  CHECK(action.reply->body.empty());
}

TEST_CASE("a filter that is not known makes its rule answer 500") {
  CHECK(Act(RouteOf("rules { " + Backend("a", 1) + "filters { } }"), &kOwn).reply->status == 500);
  CHECK(
      Act(RouteOf("rules { " + Backend("a", 1) + R"(filters { invalid: "ExtensionRef" } })"), &kOwn)
          .reply->status == 500);
  CHECK(Act(RouteOf("rules { " + Backend("a", 1, "filters { }") + " }"), &kOwn).reply->status ==
        500);
}

TEST_CASE("a redirect is answered at once, with the fields that the rule adds to responses") {
  const RouteAction action = Act(RouteOf(R"(rules {
    filters { request_redirect { hostname: "b.com" status_code: 301 } }
    filters { response_header_modifier { set { name: "X-A" value: "1" } } } })"),
                                 nullptr);
  REQUIRE(action.reply.has_value());
  CHECK(action.reply->status == 301);
  CHECK(action.reply->fields.Get("location") == "http://b.com/");
  CHECK(action.reply->fields.Get("x-a") == "1");
}

TEST_CASE("replacing a prefix that was not matched as one answers 500") {
  const RouteAction action = Act(RouteOf(R"(rules {
    matches { path { type: MATCH_TYPE_EXACT value: "/" } }
    filters { url_rewrite { path { replace_prefix_match: "/x" } } } )" +
                                         Backend("a", 1) + "}"),
                                 nullptr);
  CHECK(action.reply->status == 500);
}

}  // namespace
}  // namespace aquifer::waypoint
