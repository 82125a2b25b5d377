#include "waypoint/rules_sink.h"

#include "mesh/proto/waypoint.pb.h"
#include "tests/unit/waypoint/policy_text.h"

namespace aquifer::waypoint {
namespace {

struct Fixture {
  RulesRef latest;
  int published = 0;
  RulesSink sink{{"app", "waypoint"}, [this](RulesRef rules) {
                   latest = std::move(rules);
                   ++published;
                 }};

  bool Put(std::string_view type, const std::string& name, const std::string& bytes) {
    return sink.OnResource(type, name, bytes).ok();
  }
  bool PutGateway(const std::string& text) {
    return Put(kGatewayType, "app/waypoint",
               test::Parse<mesh::v1::Gateway>(text).SerializeAsString());
  }
  bool Allowed() {
    const auto input = test::Request().Finish();
    return Authorize(latest->policies.ForGateway(), input->authz).allowed;
  }
};

TEST_CASE("nothing is published before the own Gateway is known") {
  Fixture f;
  CHECK(f.Put(kPolicyType, "app/p", test::Deny({}).SerializeAsString()));
  CHECK(f.PutGateway("namespace: 'app' name: 'other'"));
  f.sink.CommitResponse();
  CHECK(f.published == 0);
  CHECK(f.PutGateway("namespace: 'app' name: 'waypoint'"));
  f.sink.CommitResponse();
  CHECK(f.published == 1);
  f.sink.CommitResponse();
  CHECK(f.published == 1);
}

TEST_CASE("a policy takes effect with its response and goes with its removal") {
  Fixture f;
  f.PutGateway("namespace: 'app' name: 'waypoint'");
  f.sink.CommitResponse();
  CHECK(f.Allowed());
  const auto deny = test::Deny({mesh::v1::AuthorizationRule()});
  CHECK(f.Put(kPolicyType, "app/policy", deny.SerializeAsString()));
  CHECK(f.Allowed());  // not yet
  f.sink.CommitResponse();
  CHECK_FALSE(f.Allowed());
  f.sink.OnRemoved(kPolicyType, "app/policy");
  f.sink.CommitResponse();
  CHECK(f.Allowed());
}

TEST_CASE("a policy that cannot be read denies, and its mending lifts that") {
  Fixture f;
  f.PutGateway("namespace: 'app' name: 'waypoint'");
  CHECK_FALSE(f.Put(kPolicyType, "app/policy", "\xff\xff\xff"));
  f.sink.CommitResponse();
  CHECK_FALSE(f.Allowed());
  CHECK(f.Put(kPolicyType, "app/policy",
              test::Allow({mesh::v1::AuthorizationRule()}).SerializeAsString()));
  f.sink.CommitResponse();
  CHECK(f.Allowed());
}

TEST_CASE("a refused route or Gateway keeps the version before it") {
  Fixture f;
  f.PutGateway("namespace: 'app' name: 'waypoint' class_name: 'one'");
  CHECK(f.Put(kHttpRouteType, "app/r",
              test::Parse<mesh::v1::HttpRoute>("namespace: 'app' name: 'r'").SerializeAsString()));
  f.sink.CommitResponse();
  CHECK_FALSE(f.PutGateway("namespace: 'app' name: 'waypoint' waypoint_for: 9"));
  CHECK_FALSE(f.Put(kHttpRouteType, "app/r", "\xff\xff"));
  f.sink.OnRemoved(kGatewayType, "app/waypoint");
  f.sink.CommitResponse();
  CHECK(f.latest->gateway.class_name == "one");
  CHECK(f.latest->all_routes.size() == 1);
}

// Why a request to the service is answered 500; "passes" where it has no route.
std::string ReasonOf500(const Fixture& f, std::uint16_t port) {
  const RouteTable* const table = f.latest->routes.ForService({"app", "httpbin", port}, "client");
  if (table == nullptr) return "passes";
  const auto input = test::Request().Path("/any").Finish();
  const Matched found = table->Find(input->view);
  return found.rule == nullptr ? "404" : found.rule->filters.invalid;
}

std::string RouteBytes(const std::string& rest, int port) {
  return test::Parse<mesh::v1::HttpRoute>(
             "namespace: 'app' name: 'r' parents { service { namespace: 'app' hostname: 'httpbin' "
             "port: " +
             std::to_string(port) + " } } " + rest)
      .SerializeAsString();
}

constexpr const char* kBadRule =
    "rules { matches { path { type: MATCH_TYPE_REGULAR_EXPRESSION value: '(' } } }";

TEST_CASE("a route that was never readable is answered 500 at its parents and not passed by") {
  Fixture f;
  f.PutGateway("namespace: 'app' name: 'waypoint'");
  CHECK_FALSE(f.Put(kHttpRouteType, "app/r", RouteBytes(kBadRule, 8000)));
  f.sink.CommitResponse();
  CHECK(ReasonOf500(f, 8000).find("rules[0].matches[0].path.value") != std::string::npos);
  CHECK(ReasonOf500(f, 9000) == "passes");
  // What stands in for it follows a later version that is no better.
  CHECK_FALSE(f.Put(kHttpRouteType, "app/r", RouteBytes(kBadRule, 9000)));
  f.sink.CommitResponse();
  CHECK(ReasonOf500(f, 8000) == "passes");
  CHECK(ReasonOf500(f, 9000) != "passes");
  CHECK(f.Put(kHttpRouteType, "app/r", RouteBytes("rules { }", 8000)));
  f.sink.CommitResponse();
  CHECK(ReasonOf500(f, 8000).empty());
  f.sink.OnRemoved(kHttpRouteType, "app/r");
  f.sink.CommitResponse();
  CHECK(ReasonOf500(f, 8000) == "passes");
}

TEST_CASE("a parent with a port that cannot be stands for all ports of its service") {
  Fixture f;
  f.PutGateway("namespace: 'app' name: 'waypoint'");
  CHECK_FALSE(f.Put(kHttpRouteType, "app/r", RouteBytes("rules { }", 70000)));
  f.sink.CommitResponse();
  CHECK(ReasonOf500(f, 8000).find("port") != std::string::npos);
}

TEST_CASE("a refused route takes no hosts that it did not name") {
  Fixture f;
  f.PutGateway(
      "namespace: 'app' name: 'waypoint' "
      "listeners { name: 'l' port: 80 protocol: LISTENER_PROTOCOL_HTTP }");
  const auto put = [&f](const std::string& hostname) {
    CHECK_FALSE(f.Put(kHttpRouteType, "app/r",
                      test::Parse<mesh::v1::HttpRoute>(
                          "namespace: 'app' name: 'r' hostnames: '" + hostname +
                          "' parents { listener { namespace: 'app' name: 'waypoint' listener: 'l' "
                          "} } " +
                          kBadRule)
                          .SerializeAsString()));
    f.sink.CommitResponse();
    const auto input = test::Request().Host("b.com").Finish();
    return f.latest->routes.ForListener(80, input->view).rule != nullptr;
  };
  CHECK(put("b.com"));
  CHECK_FALSE(put("a.com"));
  CHECK_FALSE(put("a..com"));
}

}  // namespace
}  // namespace aquifer::waypoint
