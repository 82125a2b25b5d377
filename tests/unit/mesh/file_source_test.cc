#include "mesh/file_source.h"

#include <string>

#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

const std::string kWorkload =
    "- uid: u\n  name: w\n  namespace: default\n  workloadIps: [10.0.0.9]\n  services: {}\n";
const std::string kService =
    "- name: s\n  namespace: default\n  hostname: s.example\n  vips: [/10.1.0.1]\n  ports: {80: "
    "8080}\n";
const std::string kPolicy =
    "- name: p\n  namespace: default\n  scope: Namespace\n  action: Allow\n  dryRun: false\n";

std::string Policies(const std::string& match) {
  return "policies:\n" + kPolicy + "  rules:\n  - - - " + match + "\n";
}

// The field that is refused, or "(accepted)".
std::string Outcome(const std::string& yaml) {
  const Decoded<LocalMesh> mesh = ParseLocalConfig(yaml);
  return mesh.ok() ? "(accepted)" : mesh.error().field;
}

PolicyMatch OnlyMatch(const std::string& text) {
  const Decoded<LocalMesh> mesh = ParseLocalConfig(Policies(text));
  INFO((mesh.ok() ? std::string() : mesh.error().ToString()));
  REQUIRE(mesh.ok());
  return mesh->policies.at(0).rules.at(0).at(0).at(0);
}

TEST_CASE("an empty file is an empty mesh") {
  CHECK(ParseLocalConfig("")->workloads.empty());
  CHECK(ParseLocalConfig("# nothing\n")->policies.empty());
  CHECK(Outcome("workloads: []\nservices:\npolicies:\n") == "(accepted)");
}

TEST_CASE("a workload's fields arrive under the node proxy's names") {
  const Decoded<LocalMesh> mesh = ParseLocalConfig(R"(
workloads:
- uid: cluster1//v1/Pod/default/server
  name: server
  namespace: default
  serviceAccount: sa
  trustDomain: td.example
  workloadIps: ["10.0.0.9", "fd00::9"]
  protocol: HBONE
  node: local
  network: net
  hostname: vm.example
  capacity: 3
  status: Unhealthy
  networkMode: HostNetwork
  clusterId: c2
  canonicalName: app
  canonicalRevision: v1
  workloadName: dep
  workloadType: pod
  locality: {region: r, zone: z, subzone: s}
  services:
    "default/example.com": {80: 8080, 443: 8443}
  waypoint: {destination: "/10.0.0.20", hboneMtlsPort: 15008}
  networkGateway: {destination: "ns/gw.example", hboneMtlsPort: 15009}
  applicationTunnel: {protocol: PROXY, port: 15088}
  authorizationPolicies: ["default/p1"]
)");
  INFO((mesh.ok() ? std::string() : mesh.error().ToString()));
  REQUIRE(mesh.ok());
  const Workload& w = mesh->workloads.at(0);
  CHECK(w.identity().ToString() == "spiffe://td.example/ns/default/sa/sa");
  CHECK(w.addresses == absl::InlinedVector<Ip, 1>{Ip::V4(10, 0, 0, 9), *Ip::Parse("fd00::9")});
  CHECK(w.protocol == TunnelProtocol::kHbone);
  CHECK(w.network == "net");
  CHECK(w.hostname == "vm.example");
  CHECK(w.capacity == 3);
  CHECK(w.health == Health::kUnhealthy);
  CHECK(w.network_mode == NetworkMode::kHostNetwork);
  CHECK(w.locality == Locality{"r", "z", "s"});
  CHECK(w.type == WorkloadType::kPod);
  REQUIRE(w.services.size() == 1);
  CHECK(w.services[0].ports == PortList{{80, 8080}, {443, 8443}});
  CHECK(w.waypoint == GatewayAddress{NetworkAddress{"", Ip::V4(10, 0, 0, 20)}, 15008});
  CHECK(w.network_gateway == GatewayAddress{NamespacedHostname{"ns", "gw.example"}, 15009});
  CHECK(w.application_tunnel == ApplicationTunnel{ApplicationTunnel::Protocol::kProxy, 15088});
  CHECK(w.authorization_policies == std::vector<Text>{"default/p1"});
}

TEST_CASE("a service's fields arrive, prefixes in both spellings") {
  const Decoded<LocalMesh> mesh = ParseLocalConfig(R"(
services:
- name: example
  namespace: default
  hostname: example.com
  vips: ["/127.10.0.1", "remote/10.0.0.1"]
  cidrVips: [{network: net, cidr: 10.0.0.0/8}, "/fd00::/16"]
  ports: {80: 8080, 81: 0}
  subjectAltNames: ["spiffe://cluster.local/ns/default/sa/default"]
  canonical: true
  waypoint: {destination: "default/waypoint.example.com", hboneMtlsPort: 15008}
  weightedWaypoints: [{destination: {destination: "/10.0.0.2", hboneMtlsPort: 15008}, weight: 3}]
  loadBalancer: {routingPreferences: [Network, Region], mode: Failover, healthPolicy: AllowAll}
  ipFamilies: Dual
  visibility: Namespace
)");
  INFO((mesh.ok() ? std::string() : mesh.error().ToString()));
  REQUIRE(mesh.ok());
  const Service& s = mesh->services.at(0);
  CHECK(s.vips.size() == 2);
  REQUIRE(s.cidr_vips.size() == 2);
  CHECK(s.cidr_vips[0].ToString() == "net/10.0.0.0/8");
  CHECK(s.cidr_vips[1].ToString() == "/fd00::/16");
  CHECK(s.ports == PortList{{80, 8080}, {81, 0}});
  CHECK(s.identities.size() == 1);
  CHECK(s.canonical);
  CHECK(s.waypoint.has_value());
  CHECK(s.weighted_waypoints.at(0).weight == 3);
  REQUIRE(s.load_balancer.has_value());
  CHECK(s.load_balancer->preferences ==
        std::vector<RoutingPreference>{RoutingPreference::kNetwork, RoutingPreference::kRegion});
  CHECK(s.load_balancer->mode == LoadBalancerMode::kFailover);
  CHECK(s.ip_families == IpFamilies::kDual);
  CHECK(s.visibility == Visibility::kNamespace);
}

TEST_CASE("kinds of string matches are written as tags, as the node proxy wants, or as maps") {
  using Kind = StringMatch::Kind;
  const std::vector<StringMatch> expected = {
      {Kind::kExact, "a"}, {Kind::kPrefix, "b"}, {Kind::kSuffix, "c"}, {Kind::kPresence, ""}};
  CHECK(OnlyMatch("{principals: [!Exact a, !Prefix \"b\", !Suffix c, !Presence []]}")
            .principals.any == expected);
  CHECK(OnlyMatch("{notNamespaces: [{Exact: a}, {Prefix: b}, {Suffix: c}, {Presence: []}]}")
            .namespaces.none == expected);
}

TEST_CASE("the other kinds of matches arrive") {
  const PolicyMatch match = OnlyMatch(
      "{sourceIps: [10.0.0.0/8], notDestinationIps: [fd00::/16], destinationPorts: [80], "
      "notDestinationPorts: [9999], serviceAccounts: [{namespace: n, serviceAccount: s}]}");
  CHECK(match.source_ips.any.at(0).ToString() == "10.0.0.0/8");
  CHECK(match.destination_ips.none.at(0).ToString() == "fd00::/16");
  CHECK(match.destination_ports.any == std::vector<std::uint16_t>{80});
  CHECK(match.destination_ports.none == std::vector<std::uint16_t>{9999});
  CHECK(match.service_accounts.any == std::vector<ServiceAccountMatch>{{"n", "s"}});
}

TEST_CASE("nothing in a match is dropped: what cannot be read refuses the file") {
  const std::string match = "policies[0].rules[0][0][0].";
  const std::pair<const char*, const char*> cases[] = {
      {"{principal: [!Exact a]}", "principal"},
      {"{principals: [a]}", "principals"},
      {"{principals: [\"a\"]}", "principals"},
      {"{principals: [{Exact: a, Prefix: b}]}", "principals"},
      {"{principals: [!Regex a]}", "principals"},
      {"{principals: [!Exact []]}", "principals"},
      {"{principals: [!Presence a]}", "principals"},
      {"{principals: }", "principals"},
      {"{principals: {}}", "principals"},
      {"{principals: [!Exact a], principals: [!Exact b]}", "principals"},
      {"{sourceIps: [10.0.0.0/33]}", "sourceIps"},
      {"{notSourceIps: [abc]}", "notSourceIps"},
      {"{destinationPorts: [65536]}", "destinationPorts"},
      {"{notDestinationPorts: [-1]}", "notDestinationPorts"},
      {"{serviceAccounts: [{namespace: n}]}", "serviceAccounts[0].serviceAccount"},
  };
  for (const auto& [text, field] : cases) {
    INFO(text);
    CHECK(Outcome(Policies(text)) == match + field);
  }
}

TEST_CASE("a policy without rules, scope, action or namespace is refused") {
  CHECK(Outcome("policies:\n" + kPolicy) == "policies[0].rules");
  CHECK(Outcome("policies:\n- {name: p, namespace: n, scope: Global, rules: []}") ==
        "policies[0].action");
  CHECK(Outcome("policies:\n- {name: p, namespace: n, action: Deny, rules: []}") ==
        "policies[0].scope");
  CHECK(Outcome("policies:\n- {name: p, scope: Namespace, action: Deny, rules: []}") ==
        "policies[0].namespace");
  CHECK(Outcome("policies:\n- {name: p, namespace: n, scope: Mesh, action: Deny, rules: []}") ==
        "policies[0].scope");
}

TEST_CASE("what is wrong elsewhere is refused by its field") {
  const std::pair<std::string, const char*> cases[] = {
      {"workload: []", "workload"},
      {"workloads: {}", "workloads"},
      {"- a", ""},
      {"workloads:\n" + kWorkload + "  colour: red\n", "workloads[0].colour"},
      {"workloads:\n" + kWorkload + "  name: again\n", "workloads[0].name"},
      {"workloads:\n- {name: w, namespace: n, workloadIps: [], services: {}}", "workloads[0].uid"},
      {"workloads:\n" + kWorkload + "  protocol: QUIC\n", "workloads[0].protocol"},
      {"workloads:\n" + kWorkload + "  capacity: -1\n", "workloads[0].capacity"},
      {"workloads:\n" + kWorkload + "  serviceAccount: a/b\n", "workloads[0].serviceAccount"},
      {"workloads:\n" + kWorkload + "  node: \"a\\nb\"\n", "workloads[0].node"},
      {"workloads:\n" + kWorkload + "  waypoint: {destination: x, hboneMtlsPort: 15008}\n",
       "workloads[0].waypoint.destination"},
      {"workloads:\n" + kWorkload + "  waypoint: {destination: \"/10.0.0.1\"}\n",
       "workloads[0].waypoint.hboneMtlsPort"},
      {"services:\n" + kService + "  vips2: []\n", "services[0].vips2"},
      {"services:\n" + kService + "  cidrVips: [\"/10.0.0.0/99\"]\n", "services[0].cidrVips"},
      {"services:\n" + kService + "  loadBalancer: {mode: Strict, healthPolicy: AllowAll}\n",
       "services[0].loadBalancer.routingPreferences"},
  };
  for (const auto& [yaml, field] : cases) {
    INFO(yaml);
    CHECK(Outcome(yaml) == field);
  }
}

TEST_CASE("what is not YAML is refused by its line, however deep it is nested") {
  CHECK(Outcome("workloads: [\n") != "(accepted)");
  CHECK(Outcome("workloads: " + std::string(100000, '[')) != "(accepted)");
  CHECK(Outcome("workloads: " + std::string(100000, '{')) != "(accepted)");
}

TEST_CASE("aliases that unfold to a huge tree are refused") {
  std::string yaml = "policies:\n" + kPolicy + "  rules:\n  - - &a [";
  for (int i = 0; i < 2000; ++i) yaml += "{destinationPorts: [1]},";
  yaml += "{}]\n";
  std::string clauses = "  - [";
  for (int i = 0; i < 2000; ++i) clauses += "*a,";
  yaml += clauses + "*a]\n";
  CHECK(Outcome(yaml) != "(accepted)");
}

}  // namespace
}  // namespace aquifer::mesh
