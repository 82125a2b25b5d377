#include "control/reconcile/peer_authentication.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

const std::string kPod =
    "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: web, labels: {app: x}}, status: "
    "{podIP: 10.0.0.1}}\n";
const char* const kStatic = "istio-system/istio_converted_static_strict";

std::string Auth(std::string_view name, std::string_view space, std::string_view spec,
                 std::string_view created = "") {
  return "---\n{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: " +
         std::string(name) + ", namespace: " + std::string(space) +
         (created.empty() ? "" : ", creationTimestamp: '" + std::string(created) + "'") +
         "}, spec: {" + std::string(spec) + "}}\n";
}

std::string Mode(std::string_view mode) { return "mtls: {mode: " + std::string(mode) + "}"; }
std::string Selected(std::string_view more) {
  return "selector: {matchLabels: {app: x}}, " + std::string(more);
}

std::string Bound(std::string_view authentications) {
  const auto policies =
      Mesh(kPod + std::string(authentications)).WorkloadOf("web/a")->authorization_policies();
  REQUIRE(policies.size() <= 1);
  return policies.empty() ? "" : policies[0];
}

// "not 81,82", "80" and so on: the ports of each rule of the converted policy.
std::string PortsOf(std::string_view authentications) {
  const auto policy =
      Mesh(kPod + std::string(authentications)).PolicyOf("web/converted_peer_authentication_p");
  if (!policy) return "";
  std::string text;
  for (const auto& rule : policy->rules()) {
    REQUIRE(rule.clauses_size() == 2);
    CHECK(rule.clauses(0).matches(0).not_principals(0).has_presence());
    for (const auto port : rule.clauses(1).matches(0).destination_ports())
      text += "+" + std::to_string(port);
    for (const auto port : rule.clauses(1).matches(0).not_destination_ports())
      text += "-" + std::to_string(port);
  }
  return text;
}

}  // namespace

TEST_CASE("without a PeerAuthentication there is no policy") {
  CHECK(Bound("") == "");
  CHECK_FALSE(Mesh(kPod).PolicyOf(kStatic).has_value());
}

TEST_CASE("the workload's mode beats the namespace's, which beats the mesh's; UNSET asks on") {
  struct Row {
    const char* workload;
    const char* space;
    const char* root;
    bool strict;
  };
  const Row rows[] = {
      {"", "", "STRICT", true},
      {"", "PERMISSIVE", "STRICT", false},
      {"", "STRICT", "PERMISSIVE", true},
      {"", "UNSET", "STRICT", true},
      {"UNSET", "UNSET", "STRICT", true},
      {"PERMISSIVE", "STRICT", "STRICT", false},
      {"STRICT", "PERMISSIVE", "", true},
      {"DISABLE", "STRICT", "", false},
      {"UNSET", "DISABLE", "STRICT", false},
  };
  for (const Row& row : rows) {
    std::string yaml;
    if (*row.workload) yaml += Auth("p", "web", Selected(Mode(row.workload)));
    if (*row.space) yaml += Auth("n", "web", Mode(row.space));
    if (*row.root) yaml += Auth("r", "istio-system", Mode(row.root));
    INFO(row.workload << "/" << row.space << "/" << row.root);
    CHECK((Bound(yaml) == kStatic) == row.strict);
  }
}

TEST_CASE("the static policy denies everybody without an identity") {
  const auto policy = Mesh(kPod + Auth("r", "istio-system", Mode("PERMISSIVE"))).PolicyOf(kStatic);
  REQUIRE(policy.has_value());
  CHECK(policy->action() == istio::security::DENY);
  CHECK(policy->scope() == istio::security::WORKLOAD_SELECTOR);
  CHECK(policy->rules(0).clauses(0).matches(0).not_principals(0).has_presence());
}

TEST_CASE("of several policies of one level the oldest counts") {
  const std::string old = "2024-01-01T00:00:00Z", young = "2025-01-01T00:00:00Z";
  CHECK(Bound(Auth("a", "web", Mode("PERMISSIVE"), young) +
              Auth("b", "web", Mode("STRICT"), old)) == kStatic);
  CHECK(Bound(Auth("a", "web", Mode("PERMISSIVE"), old) +
              Auth("b", "web", Mode("STRICT"), young)) == "");
}

TEST_CASE("ports that differ from the rest get a policy of their own") {
  const std::string name = "web/converted_peer_authentication_p";
  const std::string strict_port = Auth(
      "p", "web",
      Selected(
          "mtls: {mode: PERMISSIVE}, portLevelMtls: {80: {mode: STRICT}, 81: {mode: PERMISSIVE}}"));
  CHECK(Bound(strict_port) == name);
  CHECK(PortsOf(strict_port) == "+80");
  const std::string relaxed =
      Auth("p", "web",
           Selected("mtls: {mode: STRICT}, portLevelMtls: {80: {mode: PERMISSIVE}, 81: {mode: "
                    "DISABLE}, 82: {mode: STRICT}}"));
  CHECK(Bound(relaxed) == name);
  CHECK(PortsOf(relaxed) == "-80-81");
}

TEST_CASE("a port that agrees with the rest changes nothing") {
  CHECK(Bound(Auth("p", "web",
                   Selected("mtls: {mode: STRICT}, portLevelMtls: {80: {mode: STRICT}}"))) ==
        kStatic);
  CHECK(Bound(Auth("p", "web", Selected("portLevelMtls: {80: {mode: UNSET}}"))) == "");
}

TEST_CASE("a disabled port under an inherited STRICT is open") {
  const std::string yaml = Auth("p", "web", Selected("portLevelMtls: {80: {mode: DISABLE}}")) +
                           Auth("r", "istio-system", Mode("STRICT"));
  CHECK(Bound(yaml) == "web/converted_peer_authentication_p");
  CHECK(PortsOf(yaml) == "-80");
}

TEST_CASE("a strict port of a permissive workload holds under a strict mesh") {
  const std::string yaml =
      Auth("p", "web", Selected("mtls: {mode: PERMISSIVE}, portLevelMtls: {80: {mode: STRICT}}")) +
      Auth("r", "istio-system", Mode("STRICT"));
  CHECK(Bound(yaml) == "web/converted_peer_authentication_p");
  CHECK(PortsOf(yaml) == "+80");
}

TEST_CASE("a selector in the root namespace selects nothing") {
  CHECK(Bound(Auth("p", "istio-system", Selected(Mode("STRICT")))) == "");
}

}  // namespace aquifer::control
