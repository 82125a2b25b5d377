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

}  // namespace
}  // namespace aquifer::waypoint
