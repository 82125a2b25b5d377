#include "mesh/decode.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "mesh/fields.h"

namespace aquifer::mesh {
namespace {

namespace wire = istio::workload;

Refusal UnknownValue(std::string_view field, int value) {
  return Refusal{std::string(field), "unknown value " + std::to_string(value)};
}

Decoded<Ip> DecodeIp(std::string_view field, std::string_view bytes) {
  const std::optional<Ip> ip = Ip::FromBytes(bytes);
  if (ip) return *ip;
  return Refusal{std::string(field), std::to_string(bytes.size()) + " bytes are not an IP address"};
}

AppProtocol DecodeAppProtocol(wire::AppProtocol value) {
  switch (value) {
    case wire::HTTP11:
      return AppProtocol::kHttp11;
    case wire::HTTP2:
      return AppProtocol::kHttp2;
    case wire::GRPC:
      return AppProtocol::kGrpc;
    case wire::TCP:
      return AppProtocol::kTcp;
    case wire::TLS:
      return AppProtocol::kTls;
    default:
      return AppProtocol::kUnknown;  // only a hint, newer ones included
  }
}

// Of several entries for one service port the last holds, as in ztunnel.
Decoded<PortList> DecodePorts(const google::protobuf::RepeatedPtrField<wire::Port>& messages) {
  if (auto refused = TooMany("", messages.size(), kMaxPorts)) return *refused;
  PortList ports;
  ports.reserve(messages.size());
  for (int i = 0; i < messages.size(); ++i) {
    Port port;
    AQ_TRY(port.service_port, In("", i, PortNumber("service_port", messages[i].service_port())));
    AQ_TRY(port.target_port, In("", i, PortNumber("target_port", messages[i].target_port())));
    port.app_protocol = DecodeAppProtocol(messages[i].app_protocol());
    ports.push_back(port);
  }
  // Sorted by port; the later of equal ones first, which is the one that stays.
  std::vector<int> order(ports.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&ports](int a, int b) {
    return std::pair(ports[a].service_port, b) < std::pair(ports[b].service_port, a);
  });
  PortList sorted;
  sorted.reserve(ports.size());
  for (const int i : order) {
    if (sorted.empty() || sorted.back().service_port != ports[i].service_port) {
      sorted.push_back(ports[i]);
    }
  }
  return sorted;
}

Decoded<absl::InlinedVector<Membership, 1>> DecodeServices(const wire::Workload& message,
                                                           Texts& texts) {
  absl::InlinedVector<Membership, 1> services;
  services.reserve(message.services().size());
  for (const auto& [key, list] : message.services()) {
    const auto service = NamespacedHostname::Split(key);
    if (!service || !CheckName("", key).ok()) {
      return Refusal{"services", "a key is not <namespace>/<hostname>"};
    }
    Decoded<PortList> ports = DecodePorts(list.ports());
    if (!ports) return Within("services." + key + ".ports", ports.error());
    services.push_back(
        Membership{NamespacedHostname{texts.Shared(service->first), texts.Shared(service->second)},
                   *std::move(ports)});
  }
  std::sort(services.begin(), services.end(),
            [](const Membership& a, const Membership& b) { return a.service < b.service; });
  return services;
}

Result<void, Refusal> DecodeEnums(const wire::Workload& message, Workload& workload) {
  switch (message.tunnel_protocol()) {
    case wire::NONE:
      workload.protocol = TunnelProtocol::kNone;
      break;
    case wire::HBONE:
      workload.protocol = TunnelProtocol::kHbone;
      break;
    case wire::LEGACY_ISTIO_MTLS:
      return Refusal{"tunnel_protocol", "LEGACY_ISTIO_MTLS is not supported"};
    default:
      return UnknownValue("tunnel_protocol", message.tunnel_protocol());
  }
  switch (message.status()) {
    case wire::HEALTHY:
      workload.health = Health::kHealthy;
      break;
    case wire::UNHEALTHY:
      workload.health = Health::kUnhealthy;
      break;
    default:
      return UnknownValue("status", message.status());
  }
  switch (message.network_mode()) {
    case wire::STANDARD:
      workload.network_mode = NetworkMode::kStandard;
      break;
    case wire::HOST_NETWORK:
      workload.network_mode = NetworkMode::kHostNetwork;
      break;
    default:
      return UnknownValue("network_mode", message.network_mode());
  }
  switch (message.workload_type()) {  // a label and nothing more
    case wire::CRONJOB:
      workload.type = WorkloadType::kCronJob;
      break;
    case wire::POD:
      workload.type = WorkloadType::kPod;
      break;
    case wire::JOB:
      workload.type = WorkloadType::kJob;
      break;
    default:
      workload.type = WorkloadType::kDeployment;
      break;
  }
  return {};
}

Decoded<ApplicationTunnel> DecodeTunnel(const wire::ApplicationTunnel& message) {
  ApplicationTunnel tunnel;
  switch (message.protocol()) {
    case wire::ApplicationTunnel::NONE:
      break;
    case wire::ApplicationTunnel::PROXY:
      tunnel.protocol = ApplicationTunnel::Protocol::kProxy;
      break;
    default:
      return UnknownValue("protocol", message.protocol());
  }
  AQ_TRY(tunnel.port, PortNumber("port", message.port()));
  return tunnel;
}

Result<void, Refusal> DecodeNames(const wire::Workload& message, Texts& texts, Workload& workload) {
  if (message.uid().empty()) return Refusal{"uid", "is empty"};
  AQ_TRY_STATUS(CheckName("uid", message.uid()));
  workload.uid = message.uid();
  AQ_TRY_STATUS(CheckName("name", message.name()));
  workload.name = message.name();
  AQ_TRY(workload.ns, SharedName(texts, "namespace", message.namespace_()));
  AQ_TRY(workload.hostname, SharedName(texts, "hostname", message.hostname()));
  AQ_TRY(workload.network, SharedName(texts, "network", message.network()));
  AQ_TRY(workload.node, SharedName(texts, "node", message.node()));
  AQ_TRY(workload.canonical_name, SharedName(texts, "canonical_name", message.canonical_name()));
  AQ_TRY(workload.canonical_revision,
         SharedName(texts, "canonical_revision", message.canonical_revision()));
  AQ_TRY(workload.workload_name, SharedName(texts, "workload_name", message.workload_name()));
  AQ_TRY(workload.locality.region,
         SharedName(texts, "locality.region", message.locality().region()));
  AQ_TRY(workload.locality.zone, SharedName(texts, "locality.zone", message.locality().zone()));
  AQ_TRY(workload.locality.subzone,
         SharedName(texts, "locality.subzone", message.locality().subzone()));
  const std::string_view cluster =
      message.cluster_id().empty() ? "Kubernetes" : std::string_view(message.cluster_id());
  AQ_TRY(workload.cluster_id, SharedName(texts, "cluster_id", cluster));
  return {};
}

// A workload without a namespace (a network gateway, say) has no identity that anybody could
// present; all others must have one that is written the one way certificates write it.
Result<void, Refusal> DecodeIdentity(const wire::Workload& message, Texts& texts,
                                     Workload& workload) {
  const auto given_or = [&texts](const std::string& given, const char* otherwise) {
    return texts.Shared(given.empty() ? std::string_view(otherwise) : given);
  };
  workload.trust_domain = given_or(message.trust_domain(), "cluster.local");
  workload.service_account = given_or(message.service_account(), "default");
  const std::string_view ns = workload.ns.empty() ? "none" : workload.ns.view();
  const auto identity = certs::Identity::Make(workload.trust_domain, ns, workload.service_account);
  if (identity.ok()) return {};
  Refusal refusal = identity.error();
  if (refusal.field == "trust domain") refusal.field = "trust_domain";
  if (refusal.field == "ns") refusal.field = "namespace";
  if (refusal.field == "sa") refusal.field = "service_account";
  return refusal;
}

Result<void, Refusal> DecodeLists(const wire::Workload& message, Texts& texts, Workload& workload) {
  if (auto refused = TooMany("addresses", message.addresses_size(), kMaxAddresses)) return *refused;
  workload.addresses.reserve(message.addresses_size());
  for (int i = 0; i < message.addresses_size(); ++i) {
    AQ_TRY(const Ip ip, In("addresses", i, DecodeIp("", message.addresses(i))));
    workload.addresses.push_back(ip);
  }
  if (auto refused = TooMany("authorization_policies", message.authorization_policies_size(),
                             kMaxAttachedPolicies)) {
    return *refused;
  }
  for (int i = 0; i < message.authorization_policies_size(); ++i) {
    AQ_TRY(Text key, In("authorization_policies", i,
                        SharedName(texts, "", message.authorization_policies(i))));
    workload.authorization_policies.push_back(std::move(key));
  }
  if (auto refused = TooMany("services", message.services().size(), kMaxServices)) return *refused;
  AQ_TRY(workload.services, DecodeServices(message, texts));
  return {};
}

RoutingPreference DecodePreference(int value, bool& known) {
  switch (value) {
    case wire::LoadBalancing::REGION:
      return RoutingPreference::kRegion;
    case wire::LoadBalancing::ZONE:
      return RoutingPreference::kZone;
    case wire::LoadBalancing::SUBZONE:
      return RoutingPreference::kSubzone;
    case wire::LoadBalancing::NODE:
      return RoutingPreference::kNode;
    case wire::LoadBalancing::CLUSTER:
      return RoutingPreference::kCluster;
    case wire::LoadBalancing::NETWORK:
      return RoutingPreference::kNetwork;
    default:
      known = false;
      return RoutingPreference::kRegion;
  }
}

Decoded<LoadBalancer> DecodeLoadBalancer(const wire::LoadBalancing& message) {
  LoadBalancer balancer;
  switch (message.mode()) {
    case wire::LoadBalancing::UNSPECIFIED_MODE:
      balancer.mode = LoadBalancerMode::kStandard;
      break;
    case wire::LoadBalancing::STRICT:
      balancer.mode = LoadBalancerMode::kStrict;
      break;
    case wire::LoadBalancing::FAILOVER:
      balancer.mode = LoadBalancerMode::kFailover;
      break;
    case wire::LoadBalancing::PASSTHROUGH:
      balancer.mode = LoadBalancerMode::kPassthrough;
      break;
    default:
      return UnknownValue("mode", message.mode());
  }
  switch (message.health_policy()) {
    case wire::LoadBalancing::ONLY_HEALTHY:
      break;
    case wire::LoadBalancing::ALLOW_ALL:
      balancer.health_policy = HealthPolicy::kAllowAll;
      break;
    default:
      return UnknownValue("health_policy", message.health_policy());
  }
  if (auto refused =
          TooMany("routing_preference", message.routing_preference_size(), kMaxPreferences)) {
    return *refused;
  }
  for (int i = 0; i < message.routing_preference_size(); ++i) {
    bool known = true;
    const int value = message.routing_preference(i);
    balancer.preferences.push_back(DecodePreference(value, known));
    if (!known) return UnknownValue("routing_preference[" + std::to_string(i) + "]", value);
  }
  return balancer;
}

// Sorts one address of a service into whole addresses and prefixes.
Result<void, Refusal> DecodeVip(const wire::NetworkAddress& message, Service& service) {
  AQ_TRY(std::string network, Name("network", message.network()));
  AQ_TRY(const Ip ip, DecodeIp("address", message.address()));
  const unsigned whole = ip.is_v4() ? 32 : 128;
  // An IPv4 address in IPv6 clothes counts its bits from the first of 128.
  const bool mapped = ip.is_v4() && message.address().size() == 16;
  const unsigned behind = mapped ? 96 : 0;
  if (!message.has_length() || message.length() == whole + behind) {
    service.vips.push_back(NetworkAddress{std::move(network), ip});
    return {};
  }
  const std::optional<Cidr> cidr =
      message.length() < behind ? std::nullopt : Cidr::Make(ip, message.length() - behind);
  if (!cidr) {
    return Refusal{"length", std::to_string(message.length()) + " does not fit the address"};
  }
  service.cidr_vips.push_back(NetworkCidr{std::move(network), *cidr});
  return {};
}

Result<void, Refusal> DecodeNames(const wire::Service& message, Texts& texts, Service& service) {
  AQ_TRY(service.name, Name("name", message.name()));
  AQ_TRY(service.ns, SharedName(texts, "namespace", message.namespace_()));
  AQ_TRY_STATUS(MandatoryName("hostname", message.hostname()));
  service.hostname = texts.Shared(message.hostname());
  if (service.ns.find('/') != std::string_view::npos) return Refusal{"namespace", "has a slash"};
  if (service.hostname.find('/') != std::string_view::npos)
    return Refusal{"hostname", "has a slash"};
  if (auto refused =
          TooMany("subject_alt_names", message.subject_alt_names_size(), kMaxSubjectAltNames)) {
    return *refused;
  }
  for (int i = 0; i < message.subject_alt_names_size(); ++i) {
    AQ_TRY(std::string san, In("subject_alt_names", i, Name("", message.subject_alt_names(i))));
    // Names of other kinds are for TLS of the application's own; they never widen what we accept.
    const auto identity = certs::Identity::Parse(san);
    if (identity.ok()) service.identities.push_back(*identity);
    service.subject_alt_names.push_back(std::move(san));
  }
  return {};
}

Result<void, Refusal> DecodeWaypoints(const wire::Service& message, Service& service) {
  if (message.has_waypoint()) {
    AQ_TRY(GatewayAddress waypoint, In("waypoint", DecodeGateway(message.waypoint())));
    service.waypoint = std::move(waypoint);
  }
  if (auto refused =
          TooMany("weighted_waypoints", message.weighted_waypoints_size(), kMaxWaypoints)) {
    return *refused;
  }
  for (int i = 0; i < message.weighted_waypoints_size(); ++i) {
    const wire::WeightedWaypoint& weighted = message.weighted_waypoints(i);
    AQ_TRY(GatewayAddress destination,
           In("weighted_waypoints", i, In("destination", DecodeGateway(weighted.destination()))));
    service.weighted_waypoints.push_back({std::move(destination), weighted.weight()});
  }
  return {};
}

}  // namespace

Decoded<GatewayAddress> DecodeGateway(const wire::GatewayAddress& message) {
  GatewayAddress gateway;
  AQ_TRY(gateway.hbone_mtls_port, PortNumber("hbone_mtls_port", message.hbone_mtls_port()));
  switch (message.destination_case()) {
    case wire::GatewayAddress::kHostname: {
      NamespacedHostname name;
      AQ_TRY(name.ns, Name("hostname.namespace", message.hostname().namespace_()));
      AQ_TRY(name.hostname, MandatoryName("hostname.hostname", message.hostname().hostname()));
      gateway.destination = std::move(name);
      return gateway;
    }
    case wire::GatewayAddress::kAddress: {
      NetworkAddress address;
      AQ_TRY(address.network, Name("address.network", message.address().network()));
      AQ_TRY(address.ip, DecodeIp("address.address", message.address().address()));
      gateway.destination = std::move(address);
      return gateway;
    }
    case wire::GatewayAddress::DESTINATION_NOT_SET:
      break;
  }
  return Refusal{"", "has neither a hostname nor an address"};
}

Decoded<Workload> DecodeWorkload(const wire::Workload& message, Texts& texts) {
  Workload workload;
  AQ_TRY_STATUS(DecodeNames(message, texts, workload));
  AQ_TRY_STATUS(DecodeIdentity(message, texts, workload));
  AQ_TRY_STATUS(DecodeEnums(message, workload));
  AQ_TRY_STATUS(DecodeLists(message, texts, workload));
  workload.native_tunnel = message.native_tunnel();
  if (message.has_capacity()) workload.capacity = message.capacity().value();
  if (message.has_waypoint()) {
    AQ_TRY(GatewayAddress waypoint, In("waypoint", DecodeGateway(message.waypoint())));
    workload.waypoint = std::move(waypoint);
  }
  if (message.has_network_gateway()) {
    AQ_TRY(GatewayAddress gateway, In("network_gateway", DecodeGateway(message.network_gateway())));
    workload.network_gateway = std::move(gateway);
  }
  if (message.has_application_tunnel()) {
    AQ_TRY(workload.application_tunnel,
           In("application_tunnel", DecodeTunnel(message.application_tunnel())));
  }
  return workload;
}

Decoded<Service> DecodeService(const wire::Service& message, Texts& texts) {
  Service service;
  AQ_TRY_STATUS(DecodeNames(message, texts, service));
  AQ_TRY_STATUS(DecodeWaypoints(message, service));
  if (auto refused = TooMany("addresses", message.addresses_size(), kMaxAddresses)) return *refused;
  for (int i = 0; i < message.addresses_size(); ++i) {
    AQ_TRY_STATUS(In("addresses", i, DecodeVip(message.addresses(i), service)));
  }
  AQ_TRY(service.ports, In("ports", DecodePorts(message.ports())));
  if (message.has_load_balancing()) {
    AQ_TRY(service.load_balancer,
           In("load_balancing", DecodeLoadBalancer(message.load_balancing())));
  }
  switch (message.ip_families()) {
    case wire::AUTOMATIC:
      break;
    case wire::IPV4_ONLY:
      service.ip_families = IpFamilies::kIpv4;
      break;
    case wire::IPV6_ONLY:
      service.ip_families = IpFamilies::kIpv6;
      break;
    case wire::DUAL:
      service.ip_families = IpFamilies::kDual;
      break;
    default:
      return UnknownValue("ip_families", message.ip_families());
  }
  service.canonical = message.canonical();
  // A value newer than us means public, so that the service does not vanish (ztunnel does the
  // same).
  if (message.visibility() == wire::Service::NAMESPACE) service.visibility = Visibility::kNamespace;
  return service;
}

Decoded<Workload> DecodeWorkload(const wire::Workload& message) {
  Texts texts;
  return DecodeWorkload(message, texts);
}

Decoded<Service> DecodeService(const wire::Service& message) {
  Texts texts;
  return DecodeService(message, texts);
}

}  // namespace aquifer::mesh
