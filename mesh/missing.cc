#include "mesh/missing.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "mesh/decode.h"

namespace aquifer::mesh {
namespace {

// Of one connection; a service with endpoints in more networks than that asks again next time.
constexpr std::size_t kMost = 16;

class Missing {
 public:
  explicit Missing(const Snapshot& snapshot) : snapshot_(snapshot) {}

  void Consider(const GatewayAddress& gateway) {
    if (names_.size() >= kMost) return;
    if (!std::holds_alternative<std::monostate>(snapshot_.FindGateway(gateway))) return;
    // What stands in for a reference that could not be read is nobody's name.
    if (LeadsNowhere(gateway)) return;
    Add(std::visit([](const auto& where) { return where.ToString(); }, gateway.destination));
  }
  void Add(std::string name) {
    if (names_.size() >= kMost) return;
    if (std::find(names_.begin(), names_.end(), name) == names_.end())
      names_.push_back(std::move(name));
  }
  void ConsiderWaypoints(const Service& service) {
    if (service.waypoint) Consider(*service.waypoint);
    for (const WeightedWaypoint& each : service.weighted_waypoints) Consider(each.destination);
  }
  void Consider(const Workload& workload, const Workload& source) {
    if (workload.waypoint) Consider(*workload.waypoint);
    if (workload.network_gateway && workload.network != source.network)
      Consider(*workload.network_gateway);
  }
  void Consider(const Service& service, const Workload& source) {
    ConsiderWaypoints(service);
    if (service.has_waypoint()) return;
    const EndpointsRef endpoints = snapshot_.EndpointsOf(service);
    for (const Endpoint& endpoint : endpoints->all()) {
      if (endpoint.workload->network != source.network) Consider(*endpoint.workload, source);
    }
  }
  std::vector<std::string> Take() { return std::move(names_); }

 private:
  const Snapshot& snapshot_;
  std::vector<std::string> names_;
};

// Of "<service>.<namespace>.svc.<domain>" the namespace, else nothing.
std::string_view NamespaceIn(std::string_view host) {
  const std::size_t name = host.find('.');
  if (name == host.npos) return {};
  const std::size_t end = host.find('.', name + 1);
  if (end == host.npos || !host.substr(end).starts_with(".svc.")) return {};
  return host.substr(name + 1, end - name - 1);
}

// A service is asked for in its namespace, which its host name alone may not say. Of several of one
// name our own namespace's goes first, so it has to be known whether there is one.
void ConsiderNamed(const Snapshot& snapshot, const Workload& own, const std::string& host,
                   Missing& missing) {
  const NamespacedHostname ours{own.ns, host};
  if (snapshot.FindService(ours) == nullptr) missing.Add(ours.ToString());
  const ServiceRef service = snapshot.BestServiceNamed(host, ClientNamespace(own.ns));
  if (service != nullptr) return missing.ConsiderWaypoints(*service);
  if (const std::string_view ns = NamespaceIn(host); !ns.empty())
    missing.Add(std::string(ns) + "/" + host);
  for (const Membership& membership : own.services) {
    if (membership.service.hostname == host) missing.Add(membership.service.ToString());
  }
}

}  // namespace

std::vector<std::string> MissingFor(const Snapshot& snapshot, const Workload& source,
                                    const Address& destination, const std::string& network) {
  const NetworkAddress address{network, destination.ip};
  Missing missing(snapshot);
  const WorkloadRef workload = snapshot.FindWorkloadAt(address);
  const ServiceRef service = snapshot.BestServiceAt(address, ClientNamespace(source.ns));
  if (workload == nullptr && service == nullptr) {
    if (destination.ip.is_loopback() || destination.ip.is_any()) return {};  // nobody else's
    return {address.ToString()};
  }
  if (workload != nullptr) missing.Consider(*workload, source);
  if (service != nullptr) missing.Consider(*service, source);
  return missing.Take();
}

std::vector<std::string> MissingForInbound(const Snapshot& snapshot, const Workload& own,
                                           const Ip& local_ip, const InboundAuthority& authority,
                                           const std::string& network) {
  Missing missing(snapshot);
  if (const auto* name = std::get_if<NamedAuthority>(&authority)) {
    ConsiderNamed(snapshot, own, name->host, missing);
    return missing.Take();
  }
  const Ip& wanted = std::get<Address>(authority).ip;
  if (wanted == local_ip || own.application_tunnel) return {};
  const NetworkAddress address{network, wanted};
  const Destination found = snapshot.FindAddress(address, ClientNamespace());
  if (const auto* service = std::get_if<ServiceRef>(&found)) {
    missing.ConsiderWaypoints(**service);
  } else if (const auto* workload = std::get_if<WorkloadRef>(&found)) {
    if ((*workload)->waypoint) missing.Consider(*(*workload)->waypoint);
  } else if (!wanted.is_loopback() && !wanted.is_any()) {
    missing.Add(address.ToString());
  }
  return missing.Take();
}

}  // namespace aquifer::mesh
