#include "mesh/inbound_target.h"

#include <algorithm>

namespace aquifer::mesh {
namespace {

constexpr int kBadRequest = 400;
constexpr int kUnavailable = 503;

InboundRefusal Mismatch(const Ip& wanted, const Ip& ours) {
  return {kBadRequest, Error{Reason::kAddressMismatch},
          "ip mismatch: " + wanted.ToString() + " != " + ours.ToString()};
}

// Whether the gateway reference leads to our workload: through its service's endpoints or to its
// address.
bool LeadsToUs(const Snapshot& snapshot, const GatewayAddress& gateway, const Workload& own) {
  const Destination found = snapshot.FindGateway(gateway);
  if (const auto* service = std::get_if<ServiceRef>(&found))
    return snapshot.EndpointsOf(**service)->Find(own.uid) != nullptr;
  const auto* workload = std::get_if<WorkloadRef>(&found);
  return workload != nullptr && (*workload)->uid == own.uid;
}

bool ServesService(const Snapshot& snapshot, const Workload& own, const Service& service) {
  const auto leads = [&](const WeightedWaypoint& each) {
    return LeadsToUs(snapshot, each.destination, own);
  };
  return (service.waypoint && LeadsToUs(snapshot, *service.waypoint, own)) ||
         std::any_of(service.weighted_waypoints.begin(), service.weighted_waypoints.end(), leads);
}

// Whether we are the waypoint of whatever has this address.
bool ServedByUs(const Snapshot& snapshot, const Workload& own, const Ip& ip,
                const std::string& network) {
  const Destination found = snapshot.FindAddress(NetworkAddress{network, ip}, ClientNamespace());
  if (const auto* service = std::get_if<ServiceRef>(&found))
    return ServesService(snapshot, own, **service);
  const auto* workload = std::get_if<WorkloadRef>(&found);
  return workload != nullptr && (*workload)->waypoint &&
         LeadsToUs(snapshot, *(*workload)->waypoint, own);
}

Result<InboundTarget, InboundRefusal> ByAddress(const Snapshot& snapshot, const Workload& own,
                                                const Ip& local_ip, const Address& wanted,
                                                const InboundOptions& options) {
  const bool ours = wanted.ip == local_ip || own.application_tunnel ||
                    ServedByUs(snapshot, own, wanted.ip, options.network);
  if (!ours) return Mismatch(wanted.ip, local_ip);
  InboundTarget target;
  target.connect_to = Address{local_ip, wanted.port};
  target.tunnel_target = wanted;
  return target;
}

bool IsIllegal(std::uint16_t port, const InboundOptions& options) {
  return port == 0 || std::find(options.illegal_ports.begin(), options.illegal_ports.end(), port) !=
                          options.illegal_ports.end();
}

InboundRefusal OwnPort(std::uint16_t port) {
  return {kUnavailable, Error{Reason::kLoop},
          "port " + std::to_string(port) + " is the proxy's own"};
}

bool IsServed(std::uint16_t port, const InboundOptions& options) {
  return options.only_ports.empty() ||
         std::find(options.only_ports.begin(), options.only_ports.end(), port) !=
             options.only_ports.end();
}

InboundRefusal NotServed(std::uint16_t port) {
  return {kUnavailable, Error{Reason::kUnknownDestination},
          "port " + std::to_string(port) + " is not served over HBONE"};
}

// The mapping that our workload has in the service, ready or not: a client may know of us from
// before.
const Membership* MembershipIn(const Workload& own, const Service& service) {
  const NamespacedHostname key = service.key();
  const auto at = std::find_if(own.services.begin(), own.services.end(),
                               [&key](const Membership& each) { return each.service == key; });
  return at == own.services.end() ? nullptr : &*at;
}

// Whether one of the service's ports is `port` of our workload.
bool LeadsTo(std::uint16_t port, const Workload& own, const Service& service) {
  const Membership* const us = MembershipIn(own, service);
  return std::any_of(service.ports.begin(), service.ports.end(), [&](const Port& each) {
    const Port* mapping = us == nullptr ? nullptr : FindPort(us->ports, each.service_port);
    if (mapping == nullptr || mapping->target_port == 0) mapping = &each;
    return mapping->target_port == port;
  });
}

Ip PreferredVip(const Service& service, const std::string& network, const Ip& fallback) {
  const NetworkAddress* best = nullptr;
  const auto rank = [&network](const NetworkAddress& vip) {
    return (vip.network == network ? 2 : 0) + (vip.ip.is_v4() ? 1 : 0);
  };
  for (const NetworkAddress& vip : service.vips) {
    if (best == nullptr || rank(vip) > rank(*best)) best = &vip;
  }
  return best == nullptr ? fallback : best->ip;
}

Result<InboundTarget, InboundRefusal> ByName(const Snapshot& snapshot, const Workload& own,
                                             const Ip& local_ip, const NamedAuthority& wanted,
                                             const InboundOptions& options) {
  const InboundRefusal unresolvable{kUnavailable, Error{Reason::kUnknownDestination},
                                    "no service of ours is called " + wanted.host};
  const ServiceRef service = snapshot.BestServiceNamed(wanted.host, ClientNamespace(own.ns));
  if (service == nullptr) return unresolvable;
  const Membership* const us = MembershipIn(own, *service);
  // A waypoint takes what is for the services it serves, though it is no endpoint of them.
  if (us == nullptr && !own.application_tunnel && !ServesService(snapshot, own, *service))
    return unresolvable;
  const Port* mapping = us == nullptr ? nullptr : FindPort(us->ports, wanted.port);
  if (mapping == nullptr || mapping->target_port == 0)
    mapping = FindPort(service->ports, wanted.port);
  std::uint16_t mapped = mapping == nullptr ? 0 : mapping->target_port;
  // An application tunnel's port is the one for every port of the service, also for a named one.
  if (mapping != nullptr && mapped == 0 && own.application_tunnel)
    mapped = own.application_tunnel->port;
  if (mapped == 0) return unresolvable;
  InboundTarget target;
  target.connect_to = Address{local_ip, mapped};
  target.tunnel_target = Address{PreferredVip(*service, options.network, local_ip), wanted.port};
  target.service = service;
  return target;
}

}  // namespace

Result<InboundTarget, InboundRefusal> ResolveInbound(const Snapshot& snapshot, const Workload& own,
                                                     const Ip& local_ip,
                                                     const InboundAuthority& authority,
                                                     const InboundOptions& options) {
  const auto* address = std::get_if<Address>(&authority);
  Result<InboundTarget, InboundRefusal> target =
      address != nullptr
          ? ByAddress(snapshot, own, local_ip, *address, options)
          : ByName(snapshot, own, local_ip, std::get<NamedAuthority>(authority), options);
  if (!target.ok()) return target;
  // What was asked for as well as what an application tunnel makes of it.
  if (IsIllegal(target->connect_to.port, options)) return OwnPort(target->connect_to.port);
  if (own.application_tunnel) {
    target->tunnel = own.application_tunnel->protocol;
    if (own.application_tunnel->port != 0) target->connect_to.port = own.application_tunnel->port;
    if (IsIllegal(target->connect_to.port, options)) return OwnPort(target->connect_to.port);
  }
  if (!IsServed(target->connect_to.port, options)) return NotServed(target->connect_to.port);
  return target;
}

ServiceRef GuessService(const Snapshot& snapshot, const Workload& own, std::uint16_t port,
                        std::string_view claimed) {
  const std::vector<ServiceRef> services = snapshot.ServicesOf(own);
  for (const ServiceRef& service : services) {
    if (!claimed.empty() && service->hostname == claimed) return service;
  }
  for (const ServiceRef& service : services) {
    if (LeadsTo(port, own, *service)) return service;
  }
  return nullptr;
}

}  // namespace aquifer::mesh
