#include "mesh/file_source.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>

#include "mesh/yaml_fields.h"

namespace aquifer::mesh {
namespace {

GatewayAddress ReadGateway(const YamlMap& map) {
  GatewayAddress gateway;
  const std::string destination = map.Text("destination");
  const std::optional<NetworkAddress> address = NetworkAddress::Parse(destination);
  const std::optional<NamespacedHostname> name = NamespacedHostname::Parse(destination);
  if (address)
    gateway.destination = *address;
  else if (name && !name->ns.empty())
    gateway.destination = *name;
  else
    map.Refuse("destination", "is neither <network>/<ip> nor <namespace>/<hostname>");
  gateway.hbone_mtls_port = map.Port("hboneMtlsPort");
  map.Finish();
  return gateway;
}

Membership ReadMembership(const std::string& key, const YamlMap& ports) {
  Membership membership;
  const std::optional<NamespacedHostname> name = NamespacedHostname::Parse(key);
  if (!name) ports.Refuse("", "is not <namespace>/<hostname>");
  membership.service = name.value_or(NamespacedHostname{});
  membership.ports = ports.PortMap();
  return membership;
}

ApplicationTunnel ReadTunnel(const YamlMap& map) {
  ApplicationTunnel tunnel;
  tunnel.protocol =
      map.Choice<ApplicationTunnel::Protocol>("protocol",
                                              {{"NONE", ApplicationTunnel::Protocol::kNone},
                                               {"PROXY", ApplicationTunnel::Protocol::kProxy}},
                                              tunnel.protocol);
  tunnel.port = map.Has("port") ? map.Port("port") : 0;
  map.Finish();
  return tunnel;
}

Locality ReadLocality(const YamlMap& map) {
  Locality locality{
      .region = map.Text("region"), .zone = map.Text("zone"), .subzone = map.Text("subzone")};
  map.Finish();
  return locality;
}

Workload ReadWorkload(const YamlMap& map) {
  Workload workload;
  workload.uid = map.Required("uid");
  workload.name = map.Required("name");
  workload.ns = map.Required("namespace");
  workload.trust_domain = map.Text("trustDomain", workload.trust_domain);
  workload.service_account = map.Text("serviceAccount", workload.service_account);
  workload.network = map.Text("network");
  workload.hostname = map.Text("hostname");
  workload.node = map.Text("node");
  workload.workload_name = map.Text("workloadName", workload.name);
  workload.canonical_name = map.Text("canonicalName");
  workload.canonical_revision = map.Text("canonicalRevision");
  workload.cluster_id = map.Text("clusterId", workload.cluster_id);
  workload.native_tunnel = map.Bool("nativeTunnel", false);
  workload.capacity = map.Number("capacity", 1);
  const std::vector<Ip> addresses = map.Ips("workloadIps");
  workload.addresses.assign(addresses.begin(), addresses.end());
  const std::vector<std::string> policies = map.Texts("authorizationPolicies");
  workload.authorization_policies.assign(policies.begin(), policies.end());
  workload.protocol = map.Choice<TunnelProtocol>(
      "protocol", {{"HBONE", TunnelProtocol::kHbone}, {"TCP", TunnelProtocol::kNone}},
      TunnelProtocol::kNone);
  workload.health = map.Choice<Health>(
      "status", {{"Healthy", Health::kHealthy}, {"Unhealthy", Health::kUnhealthy}},
      Health::kHealthy);
  workload.network_mode = map.Choice<NetworkMode>(
      "networkMode",
      {{"Standard", NetworkMode::kStandard}, {"HostNetwork", NetworkMode::kHostNetwork}},
      NetworkMode::kStandard);
  workload.type = map.Choice<WorkloadType>("workloadType",
                                           {{"deployment", WorkloadType::kDeployment},
                                            {"cronjob", WorkloadType::kCronJob},
                                            {"pod", WorkloadType::kPod},
                                            {"job", WorkloadType::kJob}},
                                           WorkloadType::kDeployment);
  map.Nested("waypoint", [&](const YamlMap& m) { workload.waypoint = ReadGateway(m); });
  map.Nested("networkGateway",
             [&](const YamlMap& m) { workload.network_gateway = ReadGateway(m); });
  map.Nested("applicationTunnel",
             [&](const YamlMap& m) { workload.application_tunnel = ReadTunnel(m); });
  map.Nested("locality", [&](const YamlMap& m) { workload.locality = ReadLocality(m); });
  map.EachNested("services", [&](const std::string& key, const YamlMap& m) {
    workload.services.push_back(ReadMembership(key, m));
  });
  std::sort(workload.services.begin(), workload.services.end(),
            [](const Membership& a, const Membership& b) { return a.service < b.service; });
  if (!certs::Identity::Make(workload.trust_domain, workload.ns, workload.service_account).ok()) {
    map.Refuse("serviceAccount", "does not make a SPIFFE identity with namespace and trust domain");
  }
  map.Finish();
  return workload;
}

LoadBalancer ReadLoadBalancer(const YamlMap& map) {
  LoadBalancer balancer;
  map.EachText("routingPreferences", [&](const std::string& text) {
    balancer.preferences.push_back(
        map.ChoiceOf<RoutingPreference>("routingPreferences", text,
                                        {{"Region", RoutingPreference::kRegion},
                                         {"Zone", RoutingPreference::kZone},
                                         {"Subzone", RoutingPreference::kSubzone},
                                         {"Node", RoutingPreference::kNode},
                                         {"Cluster", RoutingPreference::kCluster},
                                         {"Network", RoutingPreference::kNetwork}},
                                        RoutingPreference::kRegion));
  });
  for (const char* key : {"routingPreferences", "mode", "healthPolicy"}) {
    if (!map.Has(key)) map.Refuse(key, "is missing");
  }
  balancer.mode = map.Choice<LoadBalancerMode>("mode",
                                               {{"Standard", LoadBalancerMode::kStandard},
                                                {"Strict", LoadBalancerMode::kStrict},
                                                {"Failover", LoadBalancerMode::kFailover},
                                                {"Passthrough", LoadBalancerMode::kPassthrough}},
                                               LoadBalancerMode::kStandard);
  balancer.health_policy = map.Choice<HealthPolicy>(
      "healthPolicy",
      {{"OnlyHealthy", HealthPolicy::kOnlyHealthy}, {"AllowAll", HealthPolicy::kAllowAll}},
      HealthPolicy::kOnlyHealthy);
  map.Finish();
  return balancer;
}

Service ReadService(const YamlMap& map) {
  Service service;
  service.name = map.Required("name");
  service.ns = map.Required("namespace");
  service.hostname = map.Required("hostname");
  service.canonical = map.Bool("canonical", false);
  service.subject_alt_names = map.Texts("subjectAltNames");
  for (const std::string& san : service.subject_alt_names) {
    if (const Decoded<certs::Identity> identity = certs::Identity::Parse(san); identity.ok())
      service.identities.push_back(*identity);
  }
  map.EachText("vips", [&](const std::string& text) {
    const std::optional<NetworkAddress> vip = NetworkAddress::Parse(text);
    if (vip)
      service.vips.push_back(*vip);
    else
      map.Refuse("vips", "is not <network>/<ip>: " + text);
  });
  const auto add_cidr = [&](const std::string& text) {
    const std::optional<NetworkCidr> vip = NetworkCidr::Parse(text);
    if (vip)
      service.cidr_vips.push_back(*vip);
    else
      map.Refuse("cidrVips", "is not <network>/<ip>/<length>: " + text);
  };
  map.EachTextOrItem("cidrVips", add_cidr, [&](const YamlMap& m) {
    add_cidr(m.Text("network") + "/" + m.Required("cidr"));
    m.Finish();
  });
  map.Nested("ports", [&](const YamlMap& m) { service.ports = m.PortMap(); });
  map.Nested("waypoint", [&](const YamlMap& m) { service.waypoint = ReadGateway(m); });
  map.Nested("loadBalancer",
             [&](const YamlMap& m) { service.load_balancer = ReadLoadBalancer(m); });
  map.EachItem("weightedWaypoints", [&](const YamlMap& m) {
    WeightedWaypoint weighted;
    m.Nested("destination", [&](const YamlMap& d) { weighted.destination = ReadGateway(d); });
    weighted.weight = m.Number("weight", 0);
    m.Finish();
    service.weighted_waypoints.push_back(std::move(weighted));
  });
  service.ip_families = map.Choice<IpFamilies>(
      "ipFamilies",
      {{"Dual", IpFamilies::kDual}, {"IPv4", IpFamilies::kIpv4}, {"IPv6", IpFamilies::kIpv6}},
      IpFamilies::kAutomatic);
  service.visibility = map.Choice<Visibility>(
      "visibility", {{"Public", Visibility::kPublic}, {"Namespace", Visibility::kNamespace}},
      Visibility::kPublic);
  map.EachNested("endpoints", [&](const std::string&, const YamlMap& m) {
    m.Ignore();
  });  // derived from the workloads
  map.Finish();
  return service;
}

void ReadStrings(const YamlMap& map, const char* key, std::vector<StringMatch>& into) {
  using Kind = StringMatch::Kind;
  map.EachVariant(key, [&](const std::string& variant, std::optional<std::string> value) {
    const Kind kind = map.ChoiceOf<Kind>(key, variant,
                                         {{"Exact", Kind::kExact},
                                          {"Prefix", Kind::kPrefix},
                                          {"Suffix", Kind::kSuffix},
                                          {"Presence", Kind::kPresence}},
                                         Kind::kExact);
    if (value.has_value() == (kind == Kind::kPresence))
      map.Refuse(key, variant + " with the wrong kind of value");
    into.push_back(StringMatch{kind, value.value_or("")});
  });
}

void ReadCidrs(const YamlMap& map, const char* key, std::vector<Cidr>& into) {
  map.EachText(key, [&](const std::string& text) {
    const std::optional<Cidr> cidr = Cidr::Parse(text);
    if (cidr)
      into.push_back(*cidr);
    else
      map.Refuse(key, "is not an address or prefix: " + text);
  });
}

void ReadPorts(const YamlMap& map, const char* key, std::vector<std::uint16_t>& into) {
  map.EachText(key, [&](const std::string& text) {
    const std::optional<std::uint16_t> port = ParsePort(text);
    if (port)
      into.push_back(*port);
    else
      map.Refuse(key, "is not a port: " + text);
  });
}

void ReadAccounts(const YamlMap& map, const char* key, std::vector<ServiceAccountMatch>& into) {
  map.EachItem(key, [&](const YamlMap& m) {
    into.push_back(ServiceAccountMatch{.ns = m.Required("namespace"),
                                       .service_account = m.Required("serviceAccount")});
    m.Finish();
  });
}

PolicyMatch ReadMatch(const YamlMap& map) {
  PolicyMatch match;
  map.RefuseNulls();
  ReadStrings(map, "namespaces", match.namespaces.any);
  ReadStrings(map, "notNamespaces", match.namespaces.none);
  ReadStrings(map, "principals", match.principals.any);
  ReadStrings(map, "notPrincipals", match.principals.none);
  ReadCidrs(map, "sourceIps", match.source_ips.any);
  ReadCidrs(map, "notSourceIps", match.source_ips.none);
  ReadCidrs(map, "destinationIps", match.destination_ips.any);
  ReadCidrs(map, "notDestinationIps", match.destination_ips.none);
  ReadPorts(map, "destinationPorts", match.destination_ports.any);
  ReadPorts(map, "notDestinationPorts", match.destination_ports.none);
  ReadAccounts(map, "serviceAccounts", match.service_accounts.any);
  ReadAccounts(map, "notServiceAccounts", match.service_accounts.none);
  map.Finish();
  return match;
}

Policy ReadPolicy(const YamlMap& map) {
  Policy policy;
  policy.name = map.Required("name");
  policy.ns = map.Text("namespace");
  policy.dry_run = map.Bool("dryRun", false);
  if (!map.Has("action")) map.Refuse("action", "is missing");
  if (!map.Has("scope")) map.Refuse("scope", "is missing");
  policy.action = map.Choice<PolicyAction>(
      "action", {{"Allow", PolicyAction::kAllow}, {"Deny", PolicyAction::kDeny}},
      PolicyAction::kDeny);
  policy.scope = map.Choice<PolicyScope>("scope",
                                         {{"Global", PolicyScope::kGlobal},
                                          {"Namespace", PolicyScope::kNamespace},
                                          {"WorkloadSelector", PolicyScope::kWorkloadSelector}},
                                         PolicyScope::kNamespace);
  if (policy.ns.empty() && policy.scope != PolicyScope::kGlobal)
    map.Refuse("namespace", "is missing");
  // Without rules an ALLOW denies everything and a DENY nothing: too much to be left to a forgotten
  // line.
  if (!map.Has("rules")) map.Refuse("rules", "is missing");
  map.EachList("rules", [&](const YamlList& clauses) {
    PolicyRule& rule = policy.rules.emplace_back();
    clauses.EachList([&](const YamlList& matches) {
      PolicyClause& clause = rule.emplace_back();
      matches.EachMap([&](const YamlMap& m) { clause.push_back(ReadMatch(m)); });
    });
  });
  map.Finish();
  return policy;
}

}  // namespace

Decoded<LocalMesh> ParseLocalConfig(std::string_view yaml) {
  if (yaml.size() > kMaxLocalConfigBytes) return Refusal{"", "is larger than 64 MiB"};
  LocalMesh mesh;
  YamlErrors errors;
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    if (!root || root.IsNull()) return mesh;
    const YamlMap top(root, "", errors);
    top.EachItem("workloads", [&](const YamlMap& m) { mesh.workloads.push_back(ReadWorkload(m)); });
    top.EachItem("services", [&](const YamlMap& m) { mesh.services.push_back(ReadService(m)); });
    top.EachItem("policies", [&](const YamlMap& m) { mesh.policies.push_back(ReadPolicy(m)); });
    top.Finish();
  } catch (const YAML::Exception& problem) {
    return Refusal{"line " + std::to_string(problem.mark.line + 1), "is not YAML: " + problem.msg};
  }
  if (errors.first) return *errors.first;
  return mesh;
}

}  // namespace aquifer::mesh
