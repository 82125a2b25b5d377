#include "waypoint/decode_policy.h"

#include "mesh/proto/waypoint.pb.h"
#include "tests/support/catch.h"
#include "tests/unit/waypoint/policy_text.h"

namespace aquifer::waypoint {
namespace {

using mesh::v1::AuthorizationPolicy;

// The verdict of one policy, decoded with whatever it says.
bool Denies(const AuthorizationPolicy& message) {
  const PolicyIndex index(test::TestGateway(),
                          {std::make_shared<const Policy>(DecodePolicy(message))});
  const auto input = test::Request().Finish();
  return !Authorize(index.ForGateway(), input->authz).allowed;
}

TEST_CASE("a rule that cannot be understood makes its policy deny everything, and is named") {
  struct Case {
    const char* rule;
    const char* field;
  };
  const Case cases[] = {
      {R"(to { ports: "http" })", "rules[0].to[0].ports[0]"},
      {R"(to { ports: "0" })", "rules[0].to[0].ports[0]"},
      {R"(to { ports: "65536" })", "rules[0].to[0].ports[0]"},
      {R"(to { not_ports: "80 " })", "rules[0].to[0].not_ports[0]"},
      {R"(from { ip_blocks: "10.0.0.0/33" })", "rules[0].from[0].ip_blocks[0]"},
      {R"(from { not_ip_blocks: "ten" })", "rules[0].from[0].not_ip_blocks[0]"},
      {R"(from { remote_ip_blocks: "" })", "rules[0].from[0].remote_ip_blocks[0]"},
      {R"(from { service_accounts: "a/b/c" })", "rules[0].from[0].service_accounts[0]"},
      {R"(from { service_accounts: "a*" })", "rules[0].from[0].service_accounts[0]"},
      {R"(from { })", "rules[0].from[0]"},
      {R"(to { })", "rules[0].to[0]"},
      {R"(to { paths: "/a/{**}/{*}" })", "rules[0].to[0].paths[0]"},
      {R"(to { paths: "" })", "rules[0].to[0].paths[0]"},
      {R"(when { key: "request.header[a]" values: "b" })", "rules[0].when[0].key"},
      {R"(when { key: "request.headers[]" values: "b" })", "rules[0].when[0].key"},
      {R"(when { key: "source.ip" })", "rules[0].when[0]"},
      {R"(when { key: "source.ip" values: "x" })", "rules[0].when[0].values[0]"},
      {R"(when { key: "destination.port" values: "x" })", "rules[0].when[0].values[0]"},
  };
  for (const Case& one : cases) {
    for (const auto action :
         {mesh::v1::AUTHORIZATION_ACTION_ALLOW, mesh::v1::AUTHORIZATION_ACTION_DENY}) {
      INFO(one.rule);
      const AuthorizationPolicy message = test::PolicyOf(action, {test::RuleOf(one.rule)});
      const std::string refused = DecodePolicy(message).refused;
      INFO(refused);
      CHECK(refused.starts_with(std::string(one.field) + ": "));
      CHECK(Denies(message));
    }
  }
}

TEST_CASE("a refused policy denies at its own targets only") {
  AuthorizationPolicy message = test::Allow({test::RuleOf(R"(to { ports: "x" })")});
  message.mutable_target_refs(0)->set_kind(mesh::v1::POLICY_TARGET_KIND_SERVICE);
  message.mutable_target_refs(0)->set_name("reviews.app.svc.cluster.local");
  const PolicyIndex index(test::TestGateway(),
                          {std::make_shared<const Policy>(DecodePolicy(message))});
  const auto input = test::Request().Finish();
  CHECK(Authorize(index.ForGateway(), input->authz).allowed);
  CHECK(Authorize(index.ForService("app", "other.app.svc.cluster.local"), input->authz).allowed);
  CHECK_FALSE(
      Authorize(index.ForService("app", "reviews.app.svc.cluster.local"), input->authz).allowed);
}

TEST_CASE("a policy whose targets cannot be read denies everything") {
  AuthorizationPolicy message = test::Allow({mesh::v1::AuthorizationRule()});
  message.mutable_target_refs(0)->set_kind(mesh::v1::POLICY_TARGET_KIND_UNSPECIFIED);
  CHECK(Denies(message));
  message.mutable_target_refs(0)->set_kind(static_cast<mesh::v1::PolicyTargetKind>(77));
  CHECK(Denies(message));
}

TEST_CASE("an action that is not known denies") {
  AuthorizationPolicy message = test::Allow({mesh::v1::AuthorizationRule()});
  message.set_action(static_cast<mesh::v1::AuthorizationAction>(9));
  CHECK(Denies(message));
}

TEST_CASE("a field of a later version inside a rule denies, for it may have narrowed the rule") {
  AuthorizationPolicy message = test::Allow({mesh::v1::AuthorizationRule()});
  CHECK_FALSE(Denies(message));
  auto* const rule = message.mutable_rules(0);
  rule->GetReflection()->MutableUnknownFields(rule)->AddLengthDelimited(99, "x");
  CHECK(Denies(message));
}

TEST_CASE("what cannot be read at all stands as a policy that denies everything") {
  const Policy policy = RefusedPolicy("app/broken", "not a message");
  CHECK(policy.name.ToString() == "app/broken");
  const PolicyIndex index(test::TestGateway(), {std::make_shared<const Policy>(policy)});
  const auto input = test::Request().Finish();
  CHECK_FALSE(Authorize(index.ForGateway(), input->authz).allowed);
  CHECK_FALSE(Authorize(index.ForService("app", "any"), input->authz).allowed);
}

TEST_CASE("a class may be targeted from the root namespace only") {
  AuthorizationPolicy message = test::Deny({mesh::v1::AuthorizationRule()});
  message.mutable_target_refs(0)->set_kind(mesh::v1::POLICY_TARGET_KIND_GATEWAY_CLASS);
  message.mutable_target_refs(0)->set_name("istio-waypoint");
  CHECK_FALSE(Denies(message));
  message.set_namespace_("istio-system");
  CHECK(Denies(message));
  message.mutable_target_refs(0)->set_name("other-class");
  CHECK_FALSE(Denies(message));
}

TEST_CASE("a policy without targets counts nowhere") {
  AuthorizationPolicy message = test::Deny({mesh::v1::AuthorizationRule()});
  message.clear_target_refs();
  CHECK_FALSE(Denies(message));
}

TEST_CASE("a policy that targets a service counts beside those of the gateway") {
  AuthorizationPolicy service = test::Allow({test::RuleOf(R"(to { paths: "/a" })")});
  service.mutable_target_refs(0)->set_kind(mesh::v1::POLICY_TARGET_KIND_SERVICE);
  service.mutable_target_refs(0)->set_name("Reviews.app.svc.cluster.local");
  const PolicyIndex index =
      test::IndexOf({service, test::Allow({test::RuleOf(R"(to { paths: "/b" })")})});
  const auto allowed = [&](const PolicySet& set, const char* path) {
    const auto input = test::Request().Path(path).Finish();
    return Authorize(set, input->authz).allowed;
  };
  const PolicySet& reviews = index.ForService("app", "reviews.app.svc.cluster.local");
  CHECK(allowed(reviews, "/a"));
  CHECK(allowed(reviews, "/b"));
  CHECK_FALSE(allowed(reviews, "/c"));
  CHECK_FALSE(allowed(index.ForService("other", "reviews.app.svc.cluster.local"), "/a"));
  CHECK_FALSE(allowed(index.ForGateway(), "/a"));
}

}  // namespace
}  // namespace aquifer::waypoint
