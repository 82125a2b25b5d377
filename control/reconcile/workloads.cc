#include "control/reconcile/workloads.h"

#include <algorithm>
#include <array>
#include <utility>

#include "control/reconcile/endpoints.h"
#include "control/reconcile/serialize.h"

namespace aquifer::control {
namespace {

namespace pb = istio::workload;

// Deployments own pods through a ReplicaSet whose name ends in a hash of the pod template.
std::string WorkloadName(const Pod& pod) {
  if (pod.controller_name.empty()) return pod.meta.name;
  if (pod.controller_kind != "ReplicaSet") return pod.controller_name;
  const std::string_view hash = LabelOf(pod.meta.labels, "pod-template-hash");
  const std::string suffix = "-" + std::string(hash);
  if (hash.empty() || !pod.controller_name.ends_with(suffix)) return pod.controller_name;
  return pod.controller_name.substr(0, pod.controller_name.size() - suffix.size());
}

std::string FirstLabel(const Labels& labels, std::initializer_list<std::string_view> keys,
                       std::string fallback) {
  for (const std::string_view key : keys) {
    const std::string_view value = LabelOf(labels, key);
    if (!value.empty()) return std::string(value);
  }
  return fallback;
}

void SetTunnel(const Pod& pod, const MeshIndex& index, pb::Workload& workload) {
  const bool native = LabelOf(pod.meta.labels, "networking.istio.io/tunnel") == "http";
  if (native) workload.set_native_tunnel(true);
  if (native || index.IsCaptured(pod)) workload.set_tunnel_protocol(pb::HBONE);
}

void SetLocality(const Pod& pod, const MeshIndex& index, pb::Workload& workload) {
  const Node* node = FindObject(index.objects().nodes, "", pod.node_name);
  if (node == nullptr) return;
  const std::string_view region = LabelOf(node->meta.labels, "topology.kubernetes.io/region");
  const std::string_view zone = LabelOf(node->meta.labels, "topology.kubernetes.io/zone");
  const std::string_view subzone = LabelOf(node->meta.labels, "topology.istio.io/subzone");
  if (region.empty() && zone.empty() && subzone.empty()) return;
  workload.mutable_locality()->set_region(std::string(region));
  workload.mutable_locality()->set_zone(std::string(zone));
  workload.mutable_locality()->set_subzone(std::string(subzone));
}

pb::PortList EndpointPorts(const Service& service, const Pod& pod) {
  pb::PortList list;
  for (const ServicePort& port : service.ports) {
    const std::uint32_t target = port.tcp ? TargetPort(port, pod) : 0;
    if (target == 0) continue;
    pb::Port* added = list.add_ports();
    added->set_service_port(port.port);
    added->set_target_port(target);
  }
  return list;
}

struct ProtocolWord {
  std::string_view word;
  pb::AppProtocol protocol;
};

}  // namespace

std::uint32_t TargetPort(const ServicePort& port, const Pod& pod) {
  if (port.target_name.empty()) return port.target_port;
  const auto found =
      std::find_if(pod.ports.begin(), pod.ports.end(), [&](const ContainerPort& candidate) {
        return candidate.tcp == port.tcp && candidate.name == port.target_name;
      });
  return found == pod.ports.end() ? 0 : found->port;
}

pb::AppProtocol ProtocolOfWord(std::string_view word) {
  static constexpr std::array<ProtocolWord, 13> kWords = {{
      {"http", pb::HTTP11},
      {"http2", pb::HTTP2},
      {"grpc", pb::GRPC},
      {"grpc-web", pb::HTTP11},
      {"tcp", pb::TCP},
      {"tls", pb::TLS},
      {"https", pb::TLS},
      {"mongo", pb::TCP},
      {"mysql", pb::TCP},
      {"redis", pb::TCP},
      {"kubernetes.io/h2c", pb::HTTP2},
      {"kubernetes.io/ws", pb::HTTP11},
      {"kubernetes.io/wss", pb::TLS},
  }};
  for (const ProtocolWord& known : kWords) {
    if (known.word == word) return known.protocol;
  }
  return pb::UNKNOWN;
}

namespace {

// appProtocol, else the first part of the port's name, else what its number has always meant:
// protocols whose server speaks first.
pb::AppProtocol ProtocolOf(const ServicePort& port) {
  if (!port.app_protocol.empty()) return ProtocolOfWord(port.app_protocol);
  const std::string_view name = port.name;
  const pb::AppProtocol by_name =
      name.starts_with("grpc-web") ? pb::HTTP11 : ProtocolOfWord(name.substr(0, name.find('-')));
  if (by_name != pb::UNKNOWN) return by_name;
  static constexpr std::array<std::uint16_t, 4> kServerFirst = {25, 53, 3306, 27017};
  return std::find(kServerFirst.begin(), kServerFirst.end(), port.port) != kServerFirst.end()
             ? pb::TCP
             : pb::UNKNOWN;
}

void SetPorts(const Service& service, pb::Service& result) {
  for (const ServicePort& port : service.ports) {
    if (!port.tcp) continue;
    pb::Port* added = result.add_ports();
    added->set_service_port(port.port);
    added->set_target_port(port.target_name.empty() ? port.target_port : 0);
    added->set_app_protocol(ProtocolOf(port));
  }
}

std::string_view TrafficDistribution(const Service& service, const MeshIndex& index) {
  static constexpr std::string_view kAnnotation = "networking.istio.io/traffic-distribution";
  if (!service.traffic_distribution.empty()) return service.traffic_distribution;
  const std::string_view own = LabelOf(service.meta.annotations, kAnnotation);
  if (!own.empty()) return own;
  const Namespace* space = FindObject(index.objects().namespaces, "", service.meta.namespace_name);
  return space == nullptr ? std::string_view() : LabelOf(space->meta.annotations, kAnnotation);
}

void SetLoadBalancing(const Service& service, const MeshIndex& index, pb::Service& result) {
  using Lb = pb::LoadBalancing;
  Lb balancing;
  const std::string_view distribution = TrafficDistribution(service, index);
  if (service.internal_traffic_local) {
    balancing.set_mode(Lb::STRICT);
    balancing.add_routing_preference(Lb::NODE);
  } else if (distribution == "PreferClose" || distribution == "PreferSameZone" ||
             distribution == "PreferSameNode") {
    balancing.set_mode(Lb::FAILOVER);
    for (const auto scope : {Lb::NETWORK, Lb::REGION, Lb::ZONE})
      balancing.add_routing_preference(scope);
    if (distribution == "PreferSameNode") {
      for (const auto scope : {Lb::SUBZONE, Lb::NODE}) balancing.add_routing_preference(scope);
    }
  }
  if (service.publish_not_ready_addresses) balancing.set_health_policy(Lb::ALLOW_ALL);
  if (balancing.ByteSizeLong() > 0) *result.mutable_load_balancing() = std::move(balancing);
}

pb::IPFamilies FamiliesOf(const Service& service) {
  const bool v4 = std::any_of(service.cluster_ips.begin(), service.cluster_ips.end(),
                              [](const Ip& ip) { return ip.is_v4(); });
  const bool v6 = std::any_of(service.cluster_ips.begin(), service.cluster_ips.end(),
                              [](const Ip& ip) { return ip.is_v6(); });
  if (v4 && v6) return pb::DUAL;
  return v4 ? pb::IPV4_ONLY : v6 ? pb::IPV6_ONLY : pb::AUTOMATIC;
}

bool IngressUsesWaypoint(const Service& service, const MeshIndex& index,
                         const WaypointBinding& waypoint) {
  static constexpr std::string_view kKey = "istio.io/ingress-use-waypoint";
  if (!waypoint.bound) return false;
  const std::string_view own = LabelOf(service.meta.labels, kKey);
  if (!own.empty()) return own == "true";
  return waypoint.of_account || index.NamespaceLabel(service.meta.namespace_name, kKey) == "true";
}

}  // namespace

void SetCanonical(const Labels& labels, pb::Workload& workload) {
  workload.set_canonical_name(
      FirstLabel(labels, {"service.istio.io/canonical-name", "app.kubernetes.io/name", "app"},
                 workload.workload_name()));
  workload.set_canonical_revision(FirstLabel(
      labels, {"service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"},
      "latest"));
}

std::string WorkloadUid(const Pod& pod, const MeshSettings& settings) {
  return settings.cluster_id + "//Pod/" + pod.meta.namespace_name + "/" + pod.meta.name;
}

std::string NetworkName(const std::string& network, const std::string& address_bytes) {
  const auto ip = Ip::FromBytes(std::string_view(address_bytes));
  return network + "/" + (ip ? ip->ToString() : "");
}

std::string ServiceResourceName(const Service& service, const MeshIndex& index) {
  return service.meta.namespace_name + "/" + index.HostnameOf(service);
}

void BringBy(const Service& service, const MeshIndex& index, Resource& resource) {
  resource.brought_by.push_back(ServiceResourceName(service, index));
  for (const Ip& ip : service.cluster_ips)
    resource.brought_by.push_back(NetworkName(index.settings().network, ip.ByteString()));
}

pb::Workload MakeWorkload(const Pod& pod, const MeshIndex& index, const WaypointBinding& waypoint,
                          std::vector<std::string> policies) {
  const MeshSettings& settings = index.settings();
  pb::Workload workload;
  workload.set_uid(WorkloadUid(pod, settings));
  workload.set_name(pod.meta.name);
  workload.set_namespace_(pod.meta.namespace_name);
  for (const Ip& ip : pod.ips) workload.add_addresses(ip.ByteString());
  workload.set_network(settings.network);
  if (settings.trust_domain != "cluster.local") workload.set_trust_domain(settings.trust_domain);
  workload.set_service_account(pod.service_account);
  workload.set_node(pod.node_name);
  workload.set_workload_type(pb::POD);
  workload.set_workload_name(WorkloadName(pod));
  SetCanonical(pod.meta.labels, workload);
  workload.set_cluster_id(settings.cluster_id);
  workload.set_status(index.Serves(pod) ? pb::HEALTHY : pb::UNHEALTHY);
  if (pod.host_network) workload.set_network_mode(pb::HOST_NETWORK);
  SetTunnel(pod, index, workload);
  SetLocality(pod, index, workload);
  if (waypoint.bound) *workload.mutable_waypoint() = waypoint.address;
  for (std::string& policy : policies) workload.add_authorization_policies(std::move(policy));
  for (const Service* service : index.ServicesOf(pod)) {
    if (service->type == Service::Type::kExternalName) continue;
    const EndpointSlice* slice = index.SliceOf(*service, pod);
    (*workload.mutable_services())[ServiceResourceName(*service, index)] =
        slice == nullptr ? EndpointPorts(*service, pod) : SlicePorts(*service, *slice);
  }
  return workload;
}

pb::Service MakeService(const Service& service, const MeshIndex& index,
                        const WaypointBinding& waypoint) {
  pb::Service result;
  result.set_name(service.meta.name);
  result.set_namespace_(service.meta.namespace_name);
  result.set_hostname(index.HostnameOf(service));
  for (const Ip& ip : service.cluster_ips) {
    pb::NetworkAddress* address = result.add_addresses();
    address->set_network(index.settings().network);
    address->set_address(ip.ByteString());
  }
  SetPorts(service, result);
  if (waypoint.bound) *result.mutable_waypoint() = waypoint.address;
  result.set_ingress_use_waypoint(IngressUsesWaypoint(service, index, waypoint));
  SetLoadBalancing(service, index, result);
  result.set_ip_families(FamiliesOf(service));
  result.set_canonical(true);
  return result;
}

Resource WorkloadResource(const pb::Workload& workload, const Pod& pod, const MeshIndex& index) {
  pb::Address address;
  *address.mutable_workload() = workload;
  Resource resource = MakeResource(address);
  resource.node = pod.node_name;
  // An address shared with the node says nothing about this pod.
  if (!pod.host_network) {
    for (const std::string& bytes : workload.addresses())
      resource.aliases.push_back(NetworkName(workload.network(), bytes));
  }
  for (const Service* service : index.ServicesOf(pod)) BringBy(*service, index, resource);
  return resource;
}

Resource ServiceResource(const pb::Service& service) {
  pb::Address address;
  *address.mutable_service() = service;
  Resource resource = MakeResource(address);
  for (const pb::NetworkAddress& vip : service.addresses()) {
    resource.aliases.push_back(NetworkName(vip.network(), vip.address()));
  }
  return resource;
}

}  // namespace aquifer::control
