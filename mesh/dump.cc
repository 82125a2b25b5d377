#include "mesh/dump.h"

namespace aquifer::mesh {
namespace {

using Json = nlohmann::ordered_json;

Json GatewayJson(const GatewayAddress& gateway) {
  const auto* name = std::get_if<NamespacedHostname>(&gateway.destination);
  const std::string destination =
      name != nullptr ? name->ToString() : std::get<NetworkAddress>(gateway.destination).ToString();
  return Json{{"destination", destination}, {"hboneMtlsPort", gateway.hbone_mtls_port}};
}

Json PortsJson(const PortList& ports) {
  Json json = Json::object();
  for (const Port& port : ports) json[std::to_string(port.service_port)] = port.target_port;
  return json;
}

// What is empty is left out, as by Istio's node proxy.
Json WorkloadJson(const Workload& workload) {
  Json json{
      {"uid", workload.uid},
      {"workloadIps", Json::array()},
      {"protocol", workload.protocol == TunnelProtocol::kHbone ? "HBONE" : "TCP"},
      {"name", workload.name},
      {"namespace", workload.ns},
      {"trustDomain", workload.trust_domain},
      {"serviceAccount", workload.service_account},
      {"workloadType", WorkloadTypeName(workload.type)},
      {"networkMode", workload.network_mode == NetworkMode::kStandard ? "Standard" : "HostNetwork"},
      {"status", workload.health == Health::kHealthy ? "Healthy" : "Unhealthy"},
      {"capacity", workload.capacity}};
  const auto add = [&json](const char* key, const std::string& text) {
    if (!text.empty()) json[key] = text;
  };
  add("network", workload.network);
  add("workloadName", workload.workload_name);
  add("canonicalName", workload.canonical_name);
  add("canonicalRevision", workload.canonical_revision);
  add("clusterId", workload.cluster_id);
  add("node", workload.node);
  add("hostname", workload.hostname);
  const Locality& locality = workload.locality;
  if (locality != Locality()) {
    json["locality"] =
        Json{{"region", locality.region}, {"zone", locality.zone}, {"subzone", locality.subzone}};
  }
  if (!workload.authorization_policies.empty())
    json["authorizationPolicies"] = workload.authorization_policies;
  for (const Ip& ip : workload.addresses) json["workloadIps"].push_back(ip.ToString());
  for (const Membership& each : workload.services)
    json["services"].push_back(each.service.ToString());
  if (workload.native_tunnel) json["nativeTunnel"] = true;
  if (workload.waypoint) json["waypoint"] = GatewayJson(*workload.waypoint);
  if (workload.network_gateway) json["networkGateway"] = GatewayJson(*workload.network_gateway);
  if (workload.application_tunnel) {
    const bool proxy = workload.application_tunnel->protocol == ApplicationTunnel::Protocol::kProxy;
    const std::uint16_t port = workload.application_tunnel->port;
    json["applicationTunnel"] =
        Json{{"protocol", proxy ? "PROXY" : "NONE"}, {"port", port == 0 ? Json() : Json(port)}};
  }
  return json;
}

const char* ModeName(LoadBalancerMode mode) {
  switch (mode) {
    case LoadBalancerMode::kStandard:
      return "Standard";
    case LoadBalancerMode::kStrict:
      return "Strict";
    case LoadBalancerMode::kFailover:
      return "Failover";
    case LoadBalancerMode::kPassthrough:
      return "Passthrough";
  }
  return "";
}

const char* PreferenceName(RoutingPreference preference) {
  switch (preference) {
    case RoutingPreference::kRegion:
      return "Region";
    case RoutingPreference::kZone:
      return "Zone";
    case RoutingPreference::kSubzone:
      return "Subzone";
    case RoutingPreference::kNode:
      return "Node";
    case RoutingPreference::kCluster:
      return "Cluster";
    case RoutingPreference::kNetwork:
      return "Network";
  }
  return "";
}

Json LoadBalancerJson(const LoadBalancer& balancer) {
  Json preferences = Json::array();
  for (const RoutingPreference each : balancer.preferences)
    preferences.push_back(PreferenceName(each));
  return Json{{"routingPreferences", std::move(preferences)},
              {"mode", ModeName(balancer.mode)},
              {"healthPolicy",
               balancer.health_policy == HealthPolicy::kAllowAll ? "AllowAll" : "OnlyHealthy"}};
}

Json ServiceJson(const Snapshot& snapshot, const Service& service) {
  Json json{{"name", service.name},
            {"namespace", service.ns},
            {"hostname", service.hostname},
            {"vips", Json::array()},
            {"ports", PortsJson(service.ports)},
            {"endpoints", Json::object()},
            {"subjectAltNames", service.subject_alt_names},
            {"canonical", service.canonical}};
  for (const NetworkAddress& vip : service.vips) json["vips"].push_back(vip.ToString());
  for (const NetworkCidr& vip : service.cidr_vips) {
    json["cidrVips"].push_back(Json{{"network", vip.network}, {"cidr", vip.cidr.ToString()}});
  }
  const EndpointsRef endpoints = snapshot.EndpointsOf(service);
  for (const Endpoint& endpoint : endpoints->all()) {
    const bool healthy = endpoint.workload->health == Health::kHealthy;
    json["endpoints"][endpoint.workload->uid] = Json{{"workloadUid", endpoint.workload->uid},
                                                     {"port", PortsJson(*endpoint.ports)},
                                                     {"status", healthy ? "Healthy" : "Unhealthy"}};
  }
  json["visibility"] = service.visibility == Visibility::kPublic ? "Public" : "Namespace";
  if (service.waypoint) json["waypoint"] = GatewayJson(*service.waypoint);
  for (const WeightedWaypoint& each : service.weighted_waypoints) {
    json["weightedWaypoints"].push_back(
        Json{{"destination", GatewayJson(each.destination)}, {"weight", each.weight}});
  }
  if (service.load_balancer) json["loadBalancer"] = LoadBalancerJson(*service.load_balancer);
  if (service.ip_families != IpFamilies::kAutomatic) {
    json["ipFamilies"] = service.ip_families == IpFamilies::kDual   ? "Dual"
                         : service.ip_families == IpFamilies::kIpv4 ? "IPv4"
                                                                    : "IPv6";
  }
  return json;
}

const char* KindName(StringMatch::Kind kind) {
  switch (kind) {
    case StringMatch::Kind::kExact:
      return "Exact";
    case StringMatch::Kind::kPrefix:
      return "Prefix";
    case StringMatch::Kind::kSuffix:
      return "Suffix";
    case StringMatch::Kind::kPresence:
      return "Presence";
  }
  return "";
}

Json Text(const StringMatch& match) {
  const bool presence = match.kind == StringMatch::Kind::kPresence;
  return Json{{KindName(match.kind), presence ? Json::array() : Json(match.value)}};
}
Json Text(const Cidr& cidr) { return cidr.ToString(); }
Json Text(std::uint16_t port) { return port; }
Json Text(const ServiceAccountMatch& match) {
  return Json{{"namespace", match.ns}, {"serviceAccount", match.service_account}};
}

template <class T>
void AddLists(Json& json, const MatchLists<T>& lists, const char* any, const char* none) {
  for (const T& value : lists.any) json[any].push_back(Text(value));
  for (const T& value : lists.none) json[none].push_back(Text(value));
}

Json MatchJson(const PolicyMatch& match) {
  Json json = Json::object();
  AddLists(json, match.namespaces, "namespaces", "notNamespaces");
  AddLists(json, match.principals, "principals", "notPrincipals");
  AddLists(json, match.source_ips, "sourceIps", "notSourceIps");
  AddLists(json, match.destination_ips, "destinationIps", "notDestinationIps");
  AddLists(json, match.destination_ports, "destinationPorts", "notDestinationPorts");
  AddLists(json, match.service_accounts, "serviceAccounts", "notServiceAccounts");
  return json;
}

Json PolicyJson(const Policy& policy) {
  const char* const scope = policy.scope == PolicyScope::kGlobal      ? "Global"
                            : policy.scope == PolicyScope::kNamespace ? "Namespace"
                                                                      : "WorkloadSelector";
  Json json{{"name", policy.name},
            {"namespace", policy.ns},
            {"scope", scope},
            {"action", policy.action == PolicyAction::kAllow ? "Allow" : "Deny"},
            {"rules", Json::array()},
            {"dryRun", policy.dry_run}};
  if (policy.malformed) json["malformed"] = true;
  for (const PolicyRule& rule : policy.rules) {
    Json clauses = Json::array();
    for (const PolicyClause& clause : rule) {
      Json matches = Json::array();
      for (const PolicyMatch& match : clause) matches.push_back(MatchJson(match));
      clauses.push_back(std::move(matches));
    }
    json["rules"].push_back(std::move(clauses));
  }
  return json;
}

}  // namespace

nlohmann::ordered_json DumpJson(const Snapshot& snapshot) {
  Json dump{{"workloads", Json::array()},
            {"services", Json::array()},
            {"policies", Json::array()},
            {"stagedServices", Json::object()}};
  snapshot.ForEachWorkload(
      [&dump](const WorkloadRef& each) { dump["workloads"].push_back(WorkloadJson(*each)); });
  snapshot.ForEachService(
      [&](const ServiceRef& each) { dump["services"].push_back(ServiceJson(snapshot, *each)); });
  snapshot.ForEachPolicy(
      [&dump](const PolicyRef& each) { dump["policies"].push_back(PolicyJson(*each)); });
  snapshot.ForEachStaged([&dump](const NamespacedHostname& service, const EndpointSet& endpoints) {
    Json& list = dump["stagedServices"][service.ToString()];
    for (const Endpoint& endpoint : endpoints.all())
      list[endpoint.workload->uid] = PortsJson(*endpoint.ports);
  });
  return dump;
}

}  // namespace aquifer::mesh
