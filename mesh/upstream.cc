#include "mesh/upstream.h"

#include <algorithm>

namespace aquifer::mesh {
namespace {

enum class Reach : std::uint8_t {
  kAsker,   // from the asker's network, through a gateway if it is on another
  kDirect,  // from anywhere, as gateways are
};

bool HasWay(const Workload& workload, const Service& service) {
  if (workload.addresses.empty()) return !workload.hostname.empty();
  return std::any_of(workload.addresses.begin(), workload.addresses.end(),
                     [&](const Ip& ip) { return service.Takes(ip); });
}

bool Reachable(const Asker& asker, const Workload& workload, const Service& service, Reach reach) {
  if (reach == Reach::kAsker && workload.network != asker.client.network)
    return workload.network_gateway.has_value();
  return HasWay(workload, service);
}

bool Tried(const Asker& asker, const Workload& workload) {
  return std::find(asker.tried.begin(), asker.tried.end(), workload.uid) != asker.tried.end();
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

Upstream At(const Asker& asker, const WorkloadRef& workload, const ServiceRef& service,
            std::uint16_t port) {
  const std::optional<Ip> ip = ChooseIp(*workload, service.get(), asker.destination);
  return Upstream{.workload = workload,
                  .service = service,
                  .address = Address{ip.value_or(Ip()), port},
                  .named = workload->addresses.empty() && !workload->hostname.empty()};
}

ServiceRef ServiceOf(const Asker& asker, const GatewayAddress& gateway) {
  if (const auto* name = std::get_if<NamespacedHostname>(&gateway.destination))
    return asker.snapshot.FindService(*name);
  return asker.snapshot.BestServiceAt(std::get<NetworkAddress>(gateway.destination),
                                      ClientNamespace(asker.client.ns));
}

WorkloadRef WorkloadOf(const Asker& asker, const GatewayAddress& gateway) {
  if (const auto* address = std::get_if<NetworkAddress>(&gateway.destination))
    return asker.snapshot.FindWorkloadAt(*address);
  const Destination found =
      asker.snapshot.FindHostname(std::get<NamespacedHostname>(gateway.destination));
  const auto* workload = std::get_if<WorkloadRef>(&found);
  return workload == nullptr ? nullptr : *workload;
}

// `otherwise`: the error when the reference leads nowhere.
Result<Upstream> ChooseGateway(const Asker& by, const GatewayAddress& gateway, Reach reach,
                               Reason otherwise) {
  const std::uint16_t port = gateway.hbone_mtls_port;
  if (port == 0) return Error{otherwise};
  // A gateway that is named by its address is dialled there.
  const auto* address = std::get_if<NetworkAddress>(&gateway.destination);
  const Asker asker{by.snapshot, by.client, address != nullptr ? address->ip : by.destination,
                    by.tried, by.random};
  if (const ServiceRef service = ServiceOf(asker, gateway)) {
    // A gateway listens on the port itself; its service need not map it to anything.
    const Eligible eligible = [&](const Endpoint& endpoint) {
      return Reachable(asker, *endpoint.workload, *service, reach) &&
             !Tried(asker, *endpoint.workload);
    };
    const EndpointsRef endpoints = asker.snapshot.EndpointsOf(*service);
    const Endpoint* const chosen =
        ChooseEndpoint(*endpoints, *service, &asker.client, eligible, asker.random);
    if (chosen == nullptr) return Error{Reason::kNoHealthyUpstream};
    const std::uint16_t mapped = TargetPort(*chosen, *service, port);
    return At(asker, chosen->workload, service, mapped != 0 ? mapped : port);
  }
  const WorkloadRef workload = WorkloadOf(asker, gateway);
  if (workload == nullptr) return Error{otherwise};
  const bool here = reach == Reach::kDirect || workload->network == asker.client.network;
  const bool has_way = !workload->addresses.empty() || !workload->hostname.empty();
  if (here ? !has_way : !workload->network_gateway.has_value()) return Error{otherwise};
  return At(asker, workload, nullptr, port);
}

}  // namespace

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

Result<Upstream> ChooseEndpointOf(const Asker& asker, const ServiceRef& service,
                                  std::uint16_t port) {
  if (FindPort(service->ports, port) == nullptr) return Error{Reason::kNoHealthyUpstream};
  const Eligible eligible = [&](const Endpoint& endpoint) {
    return Reachable(asker, *endpoint.workload, *service, Reach::kAsker) &&
           TargetPort(endpoint, *service, port) != 0 && !Tried(asker, *endpoint.workload);
  };
  const EndpointsRef endpoints = asker.snapshot.EndpointsOf(*service);
  const Endpoint* const chosen =
      ChooseEndpoint(*endpoints, *service, &asker.client, eligible, asker.random);
  if (chosen == nullptr) return Error{Reason::kNoHealthyUpstream};
  return At(asker, chosen->workload, service, TargetPort(*chosen, *service, port));
}

Result<Upstream> ChooseWaypoint(const Asker& asker, const GatewayAddress& waypoint) {
  return ChooseGateway(asker, waypoint, Reach::kAsker, Reason::kUnknownWaypoint);
}

Result<Upstream> ChooseNetworkGateway(const Asker& asker, const GatewayAddress& gateway) {
  return ChooseGateway(asker, gateway, Reach::kDirect, Reason::kUnknownDestination);
}

}  // namespace aquifer::mesh
