#include "mesh/classify.h"

#include <algorithm>
#include <optional>

namespace aquifer::mesh {
namespace {

// The address of `workload` to dial: the one that was dialled if it is one of its own, else one of
// the service's families, preferring that of the destination.
std::optional<Ip> ChooseIp(const Workload& workload, const Service* service,
                           const Ip& destination) {
  if (workload.HasAddress(destination)) return destination;
  std::optional<Ip> first;
  for (const Ip& ip : workload.addresses) {
    if (service != nullptr && !service->Takes(ip)) continue;
    if (ip.is_v4() == destination.is_v4()) return ip;
    if (!first) first = ip;
  }
  return first;
}

bool HasUsableIp(const Workload& workload, const Service& service) {
  return std::any_of(workload.addresses.begin(), workload.addresses.end(),
                     [&](const Ip& ip) { return service.Takes(ip); });
}

// The endpoint's own mapping of the service port, else the service's target.
std::uint16_t TargetPort(const Endpoint& endpoint, const Service& service,
                         std::uint16_t service_port) {
  if (const std::uint16_t own = endpoint.TargetPort(service_port); own != 0) return own;
  const Port* port = FindPort(service.ports, service_port);
  if (port != nullptr && port->target_port != 0) return port->target_port;
  const std::optional<ApplicationTunnel>& tunnel = endpoint.workload->application_tunnel;
  return tunnel && tunnel->port != 0 ? service_port : 0;
}

// The endpoint of `service` for a connection to one of its ports.
Result<Resolved> ResolveService(const Snapshot& snapshot, const Service& service,
                                std::uint16_t port, const Workload* client, const Ip& destination,
                                const Random& random) {
  if (FindPort(service.ports, port) == nullptr) return Error{Reason::kNoHealthyUpstream};
  const Eligible eligible = [&](const Endpoint& endpoint) {
    return HasUsableIp(*endpoint.workload, service) && TargetPort(endpoint, service, port) != 0;
  };
  const EndpointsRef endpoints = snapshot.EndpointsOf(service);
  const Endpoint* const chosen = ChooseEndpoint(*endpoints, service, client, eligible, random);
  if (chosen == nullptr) return Error{Reason::kNoHealthyUpstream};
  const std::optional<Ip> ip = ChooseIp(*chosen->workload, &service, destination);
  AQ_CHECK(ip.has_value());
  return Resolved{chosen->workload, Address{*ip, TargetPort(*chosen, service, port)}};
}

// The service's own list, and the workload that was chosen.
std::vector<certs::Identity> Acceptable(const Service* service, const Workload& workload) {
  std::vector<certs::Identity> identities;
  if (service != nullptr) identities = service->identities;
  const certs::Identity own = workload.identity();
  if (std::find(identities.begin(), identities.end(), own) == identities.end())
    identities.push_back(own);
  return identities;
}

ServiceRef ServiceOfGateway(const Snapshot& snapshot, const GatewayAddress& gateway,
                            ClientNamespace client) {
  if (const auto* name = std::get_if<NamespacedHostname>(&gateway.destination))
    return snapshot.FindService(*name);
  const auto& address = std::get<NetworkAddress>(gateway.destination);
  return snapshot.BestServiceAt(address, client);
}

const GatewayAddress& SampleWaypoint(const Service& service, const Random& random) {
  std::uint64_t total = 0;
  for (const WeightedWaypoint& each : service.weighted_waypoints) total += each.weight;
  if (total > 0) {
    std::uint64_t at = random() % total;
    for (const WeightedWaypoint& each : service.weighted_waypoints) {
      if (at < each.weight) return each.destination;
      at -= each.weight;
    }
  }
  return service.waypoint ? *service.waypoint : service.weighted_waypoints.front().destination;
}

Result<Route> ToWaypoint(const Snapshot& snapshot, const GatewayAddress& gateway,
                         const Workload& source, const Address& destination,
                         const ClassifyOptions& options, const Random& random) {
  Result<Resolved> waypoint =
      ResolveGateway(snapshot, gateway, &source, destination.ip, options.network, random);
  if (!waypoint) return Error{Reason::kUnknownWaypoint};
  // Reaching another network takes a tunnel in a tunnel, which this build does not speak: refused,
  // not sent around the waypoint.
  if (waypoint->workload->network != source.network) return Error{Reason::kUnsupported};
  const ServiceRef service = ServiceOfGateway(snapshot, gateway, ClientNamespace(source.ns));
  Route route;
  route.protocol = Protocol::kHbone;
  route.connect_to = waypoint->address;
  route.target = destination;
  route.identities = Acceptable(service.get(), *waypoint->workload);
  route.to_waypoint = true;
  route.destination = waypoint->workload;
  return route;
}

// Whether `source` is the waypoint of `workload`: what it sends there has been through the waypoint
// already. It is if the reference leads to a service that it belongs to, ready or not (a waypoint
// that is about to stop still finishes its requests), or to itself.
bool IsWaypointOf(const Snapshot& snapshot, const Workload& source, const Workload& workload) {
  if (!workload.waypoint) return false;
  const Destination found = snapshot.FindGateway(*workload.waypoint);
  if (const auto* service = std::get_if<ServiceRef>(&found)) {
    const NamespacedHostname key = (*service)->key();
    return std::any_of(source.services.begin(), source.services.end(),
                       [&key](const Membership& each) { return each.service == key; });
  }
  const auto* itself = std::get_if<WorkloadRef>(&found);
  return itself != nullptr && (*itself)->uid == source.uid;
}

Route Passthrough(const Address& destination) {
  Route route;
  route.connect_to = destination;
  return route;
}

Route Direct(const Resolved& upstream, const Service* service, const ClassifyOptions& options) {
  Route route;
  route.destination = upstream.workload;
  if (upstream.workload->protocol == TunnelProtocol::kNone) {
    route.connect_to = upstream.address;
    return route;
  }
  route.protocol = Protocol::kHbone;
  route.connect_to = Address{upstream.address.ip, options.hbone_port};
  route.target = upstream.address;
  route.identities = Acceptable(service, *upstream.workload);
  return route;
}

// To the address of a workload, not of a service.
Result<Route> ToWorkload(const Snapshot& snapshot, const WorkloadRef& workload,
                         const Workload& source, const Address& destination,
                         const ClassifyOptions& options, const Random& random) {
  if (workload->network != source.network) return Error{Reason::kUnsupported};
  if (workload->waypoint && !IsWaypointOf(snapshot, source, *workload)) {
    return ToWaypoint(snapshot, *workload->waypoint, source, destination, options, random);
  }
  return Direct(Resolved{workload, destination}, nullptr, options);
}

Result<Route> ToService(const Snapshot& snapshot, const ServiceRef& service, const Workload& source,
                        const Address& destination, const ClassifyOptions& options,
                        const Random& random) {
  if (service->has_waypoint()) {
    return ToWaypoint(snapshot, SampleWaypoint(*service, random), source, destination, options,
                      random);
  }
  if (service->mode() == LoadBalancerMode::kPassthrough) return Passthrough(destination);
  AQ_TRY(const Resolved upstream,
         ResolveService(snapshot, *service, destination.port, &source, destination.ip, random));
  if (upstream.workload->network != source.network) return Error{Reason::kUnsupported};
  return Direct(upstream, service.get(), options);
}

}  // namespace

Result<Resolved> ResolveGateway(const Snapshot& snapshot, const GatewayAddress& gateway,
                                const Workload* client, const Ip& prefer_family_of,
                                std::string_view network, const Random& random) {
  const ClientNamespace asker = client == nullptr ? ClientNamespace() : ClientNamespace(client->ns);
  if (const ServiceRef service = ServiceOfGateway(snapshot, gateway, asker)) {
    // A waypoint listens on the port itself; its service need not map it to anything.
    const Eligible eligible = [&](const Endpoint& endpoint) {
      return HasUsableIp(*endpoint.workload, *service);
    };
    const EndpointsRef endpoints = snapshot.EndpointsOf(*service);
    const Endpoint* const chosen = ChooseEndpoint(*endpoints, *service, client, eligible, random);
    if (chosen == nullptr) return Error{Reason::kNoHealthyUpstream};
    const std::optional<Ip> ip = ChooseIp(*chosen->workload, service.get(), prefer_family_of);
    AQ_CHECK(ip.has_value());
    const std::uint16_t mapped = TargetPort(*chosen, *service, gateway.hbone_mtls_port);
    return Resolved{chosen->workload, Address{*ip, mapped != 0 ? mapped : gateway.hbone_mtls_port}};
  }
  if (const auto* address = std::get_if<NetworkAddress>(&gateway.destination)) {
    const WorkloadRef workload = snapshot.FindWorkloadAt(*address);
    if (workload == nullptr || address->network != network) return Error{Reason::kUnknownWaypoint};
    return Resolved{workload, Address{address->ip, gateway.hbone_mtls_port}};
  }
  const auto& name = std::get<NamespacedHostname>(gateway.destination);
  const Destination found = snapshot.FindHostname(name);
  const WorkloadRef workload =
      std::holds_alternative<WorkloadRef>(found) ? std::get<WorkloadRef>(found) : nullptr;
  if (workload == nullptr || workload->addresses.empty()) return Error{Reason::kUnknownWaypoint};
  return Resolved{
      workload, Address{*ChooseIp(*workload, nullptr, prefer_family_of), gateway.hbone_mtls_port}};
}

Result<Route> Classify(const Snapshot& snapshot, const Workload& source, const Address& destination,
                       const ClassifyOptions& options, const Random& random) {
  const bool illegal = std::find(options.illegal_ports.begin(), options.illegal_ports.end(),
                                 destination.port) != options.illegal_ports.end();
  if (destination.ip.is_loopback() && illegal) return Error{Reason::kLoop};
  const NetworkAddress address{options.network, destination.ip};
  const WorkloadRef workload = snapshot.FindWorkloadAt(address);
  const ServiceRef service = snapshot.BestServiceAt(address, ClientNamespace(source.ns));
  // An address that is both counts as the workload's.
  if (service != nullptr && workload == nullptr) {
    Result<Route> route = ToService(snapshot, service, source, destination, options, random);
    if (route.ok()) route->service = service;
    return route;
  }
  if (workload != nullptr)
    return ToWorkload(snapshot, workload, source, destination, options, random);
  return Passthrough(destination);
}

}  // namespace aquifer::mesh
