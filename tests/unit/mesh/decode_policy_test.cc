#include <functional>
#include <string>

#include "mesh/builder.h"
#include "mesh/decode.h"
#include "mesh/fields.h"
#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

namespace wire = istio::security;

wire::Authorization GoodPolicy() {
  wire::Authorization message;
  message.set_name("p");
  message.set_namespace_("default");
  message.set_scope(wire::WORKLOAD_SELECTOR);
  return message;
}

wire::Match& OneMatch(wire::Authorization& message) {
  return *message.add_rules()->add_clauses()->add_matches();
}

void SetUnknownField(google::protobuf::Message& message) {
  message.GetReflection()->MutableUnknownFields(&message)->AddVarint(99, 1);
}

using Spoil = std::function<void(wire::Match&)>;

// Every way in which a match can be unreadable, and the field that is to blame.
const std::vector<std::pair<std::string, Spoil>>& Unreadable() {
  static const std::vector<std::pair<std::string, Spoil>> cases = {
      {"namespaces[0].match_type", [](auto& m) { m.add_namespaces(); }},
      {"not_namespaces[0].match_type", [](auto& m) { m.add_not_namespaces(); }},
      {"principals[1].match_type",
       [](auto& m) {
         m.add_principals()->set_exact("a");
         m.add_principals();
       }},
      {"not_principals[0].match_type", [](auto& m) { m.add_not_principals(); }},
      {"principals[0]", [](auto& m) { m.add_principals()->set_prefix("a\n"); }},
      {"source_ips[0].address", [](auto& m) { m.add_source_ips()->set_address("abc"); }},
      {"source_ips[0].length",
       [](auto& m) {
         m.add_source_ips()->set_address(std::string(4, '\x0a'));
         m.mutable_source_ips(0)->set_length(33);
       }},
      {"not_source_ips[0].length",
       [](auto& m) {
         m.add_not_source_ips()->set_address(std::string(16, '\x20'));
         m.mutable_not_source_ips(0)->set_length(129);
       }},
      {"source_ips[0].length",
       [](auto& m) {
         m.add_source_ips()->set_address(std::string(10, '\0') + "\xff\xff" + "\x0a\x01\x02\x03");
         m.mutable_source_ips(0)->set_length(24);
       }},
      {"destination_ips[0].address", [](auto& m) { m.add_destination_ips(); }},
      {"not_destination_ips[0].address", [](auto& m) { m.add_not_destination_ips(); }},
      {"destination_ports[0]", [](auto& m) { m.add_destination_ports(65536 + 80); }},
      {"not_destination_ports[0]", [](auto& m) { m.add_not_destination_ports(4000000000u); }},
      {"service_accounts[0].namespace",
       [](auto& m) { m.add_service_accounts()->set_service_account("a"); }},
      {"not_service_accounts[0].service_account",
       [](auto& m) { m.add_not_service_accounts()->set_namespace_("a"); }},
      {"extensions", [](auto& m) { m.add_extensions()->set_name("x"); }},
      {"", [](auto& m) { SetUnknownField(m); }},
      {"namespaces[0]", [](auto& m) { SetUnknownField(*m.add_namespaces()); }},
      {"source_ips[0]", [](auto& m) { SetUnknownField(*m.add_source_ips()); }},
      {"service_accounts[0]", [](auto& m) { SetUnknownField(*m.add_service_accounts()); }},
  };
  return cases;
}

TEST_CASE("every field of a policy arrives") {
  wire::Authorization message = GoodPolicy();
  message.set_action(wire::DENY);
  message.set_dry_run(true);
  wire::Match& m = OneMatch(message);
  m.add_namespaces()->set_exact("a");
  m.add_not_namespaces()->set_prefix("b");
  m.add_principals()->set_suffix("c");
  m.add_not_principals()->mutable_presence();
  m.add_source_ips()->set_address(std::string(4, '\x0a'));
  m.mutable_source_ips(0)->set_length(8);
  m.add_not_destination_ips()->set_address(std::string(10, '\0') + "\xff\xff" + "\x0a\x01\x02\x03");
  m.mutable_not_destination_ips(0)->set_length(96 + 16);
  m.add_destination_ports(80);
  m.add_not_destination_ports(443);
  m.add_service_accounts()->set_namespace_("n");
  m.mutable_service_accounts(0)->set_service_account("s");

  const Decoded<Policy> policy = DecodePolicy(message);
  REQUIRE(policy.ok());
  CHECK(policy->key() == "default/p");
  CHECK(policy->scope == PolicyScope::kWorkloadSelector);
  CHECK(policy->action == PolicyAction::kDeny);
  CHECK(policy->dry_run);
  CHECK_FALSE(policy->malformed);
  const PolicyMatch& match = policy->rules.at(0).at(0).at(0);
  using Kind = StringMatch::Kind;
  CHECK(match.namespaces.any == std::vector<StringMatch>{{Kind::kExact, "a"}});
  CHECK(match.namespaces.none == std::vector<StringMatch>{{Kind::kPrefix, "b"}});
  CHECK(match.principals.any == std::vector<StringMatch>{{Kind::kSuffix, "c"}});
  CHECK(match.principals.none == std::vector<StringMatch>{{Kind::kPresence, ""}});
  CHECK(match.source_ips.any.at(0).ToString() == "10.0.0.0/8");
  CHECK(match.destination_ips.none.at(0).ToString() == "10.1.0.0/16");
  CHECK(match.destination_ports.any == std::vector<std::uint16_t>{80});
  CHECK(match.destination_ports.none == std::vector<std::uint16_t>{443});
  CHECK(match.service_accounts.any == std::vector<ServiceAccountMatch>{{"n", "s"}});
}

TEST_CASE("empty rules, clauses and matches keep their places: each means something else") {
  wire::Authorization message = GoodPolicy();
  message.add_rules();
  message.add_rules()->add_clauses();
  OneMatch(message);
  const Decoded<Policy> policy = DecodePolicy(message);
  REQUIRE(policy.ok());
  REQUIRE(policy->rules.size() == 3);
  CHECK(policy->rules[0].empty());
  REQUIRE(policy->rules[1].size() == 1);
  CHECK(policy->rules[1][0].empty());
  REQUIRE(policy->rules[2].at(0).size() == 1);
  CHECK(policy->rules[2][0][0].empty());
}

TEST_CASE(
    "a value that cannot be read is never dropped: the whole policy is refused by its field") {
  for (const auto& [field, spoil] : Unreadable()) {
    wire::Authorization message = GoodPolicy();
    spoil(OneMatch(message));
    const Decoded<Policy> policy = DecodePolicy(message);
    const std::string place = "rules[0].clauses[0].matches[0]";
    INFO(field);
    REQUIRE_FALSE(policy.ok());
    CHECK(policy.error().field == (field.empty() ? place : place + "." + field));
    CHECK_FALSE(policy.error().why.empty());
  }
}

TEST_CASE("unknown fields of rules and clauses are refused, of the policy itself ignored") {
  wire::Authorization message = GoodPolicy();
  SetUnknownField(message);
  CHECK(DecodePolicy(message).ok());
  SetUnknownField(*message.add_rules()->add_clauses());
  CHECK(DecodePolicy(message).error().field == "rules[0].clauses[0]");
  message = GoodPolicy();
  SetUnknownField(*message.add_rules());
  CHECK(DecodePolicy(message).error().field == "rules[0]");
}

TEST_CASE("the refusal of a policy names its own fields too") {
  const std::pair<const char*, std::function<void(wire::Authorization&)>> cases[] = {
      {"name", [](auto& m) { m.clear_name(); }},
      {"namespace", [](auto& m) { m.clear_namespace_(); }},
      {"name", [](auto& m) { m.set_name("a/b"); }},
      {"namespace", [](auto& m) { m.set_namespace_("a/b"); }},
      {"scope", [](auto& m) { m.set_scope(static_cast<wire::Scope>(7)); }},
      {"action", [](auto& m) { m.set_action(static_cast<wire::Action>(2)); }},
  };
  for (const auto& [field, spoil] : cases) {
    wire::Authorization message = GoodPolicy();
    spoil(message);
    const Decoded<Policy> policy = DecodePolicy(message);
    REQUIRE_FALSE(policy.ok());
    CHECK(policy.error().field == field);
  }
}

TEST_CASE("a policy is bounded as a whole, however its elements are spread") {
  wire::Authorization message = GoodPolicy();
  for (int rule = 0; rule < 300; ++rule) {
    wire::Match& match = OneMatch(message);
    for (int i = 0; i < 500; ++i) match.add_destination_ports(80);
  }
  const Decoded<Policy> policy = DecodePolicy(message);
  REQUIRE_FALSE(policy.ok());
  CHECK(policy.error().why.find("elements") != std::string::npos);
}

// --- what takes the place of a refused policy --------------------------------------------------

Workload InNamespace(std::string ns) {
  Workload workload;
  workload.uid = "uid";
  workload.ns = std::move(ns);
  return workload;
}

TEST_CASE("a refused policy denies where it would have applied") {
  for (const auto& [field, spoil] : Unreadable()) {
    INFO(field);
    for (const wire::Scope scope : {wire::GLOBAL, wire::NAMESPACE, wire::WORKLOAD_SELECTOR}) {
      Builder builder;
      wire::Authorization message = GoodPolicy();
      message.set_scope(scope);
      spoil(OneMatch(message));
      CHECK_FALSE(builder.PutAuthorization("default/p", message).ok());
      const SnapshotRef snapshot = builder.Build();
      const auto malformed = [&](const Workload& workload) {
        const AppliedPolicies applied = snapshot->PoliciesFor(workload);
        return !applied.policies.empty() && applied.policies[0]->malformed;
      };
      CHECK(malformed(InNamespace("default")) == (scope != wire::WORKLOAD_SELECTOR));
      CHECK(malformed(InNamespace("other")) == (scope == wire::GLOBAL));
      Workload attached = InNamespace("other");
      attached.authorization_policies = {"default/p"};
      CHECK(malformed(attached));
    }
  }
}

TEST_CASE("a good version of a policy takes the place of the bad one, and back") {
  Builder builder;
  wire::Authorization bad = GoodPolicy();
  OneMatch(bad).add_principals();
  CHECK(builder.PutAuthorization("default/p", GoodPolicy()).ok());
  CHECK_FALSE(builder.PutAuthorization("default/p", bad).ok());
  CHECK(builder.Build()->FindPolicy("default/p")->malformed);
  CHECK(builder.PutAuthorization("default/p", GoodPolicy()).ok());
  CHECK_FALSE(builder.Build()->FindPolicy("default/p")->malformed);
  CHECK_FALSE(builder.PutAuthorization("default/p", bad).ok());
  builder.RemovePolicy("default/p");
  CHECK(builder.Build()->FindPolicy("default/p") == nullptr);
}

TEST_CASE("bytes that are no policy deny where the policy of that name applied before") {
  Builder builder;
  CHECK(builder.PutAuthorization("default/p", GoodPolicy()).ok());
  builder.PutUnreadablePolicy("default/p");
  const PolicyRef known = builder.Build()->FindPolicy("default/p");
  CHECK(known->malformed);
  CHECK(known->scope == PolicyScope::kWorkloadSelector);
  builder.PutUnreadablePolicy("default/new");
  CHECK(builder.Build()->FindPolicy("default/new")->scope == PolicyScope::kNamespace);
}

TEST_CASE("a policy whose name is not the resource's denies under the resource's name") {
  Builder builder;
  const auto refused = builder.PutAuthorization("default/other", GoodPolicy());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().field == "name");
  const SnapshotRef snapshot = builder.Build();
  CHECK(snapshot->FindPolicy("default/p") == nullptr);
  CHECK(snapshot->FindPolicy("default/other")->malformed);
}

TEST_CASE("a refused policy without a readable name is only refused") {
  Builder builder;
  for (const char* name : {"", "p", "a/b/c", "/p"}) {
    CHECK_FALSE(builder.PutAuthorization(name, wire::Authorization()).ok());
    builder.PutUnreadablePolicy(name);
  }
  CHECK(builder.Build()->policy_count() == 0);
}

TEST_CASE("a dry run that cannot be read stays a dry run") {
  Builder builder;
  wire::Authorization message = GoodPolicy();
  message.set_dry_run(true);
  OneMatch(message).add_principals();
  CHECK_FALSE(builder.PutAuthorization("default/p", message).ok());
  CHECK(builder.Build()->FindPolicy("default/p")->dry_run);
}

}  // namespace
}  // namespace aquifer::mesh
