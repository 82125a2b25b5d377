#include "waypoint/binding.h"

#include <algorithm>

#include "waypoint/field_check.h"

namespace aquifer::waypoint {
namespace {

// Whether a reference of the workload API names our Gateway.
bool Names(const mesh::GatewayAddress& reference, const Gateway& gateway) {
  std::string name;
  if (const auto* host = std::get_if<mesh::NamespacedHostname>(&reference.destination)) {
    if (host->ns != gateway.name.ns) return false;
    name = LowerCase(host->hostname);
  } else {
    name = std::get<mesh::NetworkAddress>(reference.destination).ip.ToString();
  }
  return std::find(gateway.addresses.begin(), gateway.addresses.end(), name) !=
         gateway.addresses.end();
}

bool IsBound(const mesh::Service& service, const Gateway& gateway) {
  if (service.waypoint && Names(*service.waypoint, gateway)) return true;
  return std::any_of(
      service.weighted_waypoints.begin(), service.weighted_waypoints.end(),
      [&](const mesh::WeightedWaypoint& weighted) { return Names(weighted.destination, gateway); });
}

Decoded<Bound> ToService(const mesh::Service& service, const Gateway& gateway,
                         const Address& address) {
  if (!IsBound(service, gateway)) {
    return Refusal{"authority", service.hostname + " does not use this waypoint"};
  }
  const mesh::Port* const port = mesh::FindPort(service.ports, address.port);
  if (port == nullptr) return Refusal{"authority", service.hostname + " has no such port"};
  return Bound{
      .destination = {.service = ServiceRef{service.ns, LowerCase(service.hostname), address.port},
                      .address = address,
                      .protocol = port->app_protocol},
      .address = address};
}

// What a service says about the port of its endpoint; unknown if none does or they disagree.
mesh::AppProtocol ProtocolOf(const mesh::Snapshot& snapshot, const mesh::Workload& workload,
                             std::uint16_t target_port) {
  mesh::AppProtocol found = mesh::AppProtocol::kUnknown;
  for (const mesh::ServiceRef& service : snapshot.ServicesOf(workload)) {
    for (const mesh::Port& port : service->ports) {
      if (port.target_port != target_port || port.app_protocol == mesh::AppProtocol::kUnknown)
        continue;
      const bool agrees = found == mesh::AppProtocol::kUnknown || found == port.app_protocol;
      if (!agrees) return mesh::AppProtocol::kUnknown;
      found = port.app_protocol;
    }
  }
  return found;
}

}  // namespace

Decoded<Bound> ResolveConnect(const mesh::Snapshot& snapshot, const Gateway& gateway,
                              const std::string& network, const hbone::Authority& authority) {
  const Address* const address = std::get_if<Address>(&authority);
  if (address == nullptr) return Refusal{"authority", "a name where an address is needed"};
  const mesh::NetworkAddress where{network, address->ip};
  const mesh::WorkloadRef workload = snapshot.FindWorkloadAt(where);
  // Of several services that share an address the one that is ours counts, if it is visible at all.
  const mesh::ServiceRef service = snapshot.BestServiceAt(where, mesh::ClientNamespace());
  if (workload == nullptr && service != nullptr) return ToService(*service, gateway, *address);
  if (workload == nullptr) return Refusal{"authority", "no service or workload has this address"};
  if (!workload->waypoint || !Names(*workload->waypoint, gateway)) {
    return Refusal{"authority", "this workload does not use this waypoint"};
  }
  return Bound{.destination = {.service = std::nullopt,
                               .address = *address,
                               .protocol = ProtocolOf(snapshot, *workload, address->port)},
               .address = *address};
}

Carried DeclaredOf(const RouteIndex& routes, const Bound& bound,
                   std::string_view client_namespace) {
  switch (bound.destination.protocol) {
    case mesh::AppProtocol::kHttp11:
    case mesh::AppProtocol::kHttp2:
    case mesh::AppProtocol::kGrpc:
      return Carried::kHttp;
    case mesh::AppProtocol::kTcp:
    case mesh::AppProtocol::kTls:
      return Carried::kTcp;
    case mesh::AppProtocol::kUnknown:
      break;
  }
  const std::optional<ServiceRef>& service = bound.destination.service;
  const bool routed = service && routes.ForService(*service, client_namespace) != nullptr;
  return routed ? Carried::kHttp : Carried::kUnknown;
}

}  // namespace aquifer::waypoint
