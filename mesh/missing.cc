#include "mesh/missing.h"

#include <algorithm>
#include <utility>
#include <variant>

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
    std::string name =
        std::visit([](const auto& where) { return where.ToString(); }, gateway.destination);
    if (std::find(names_.begin(), names_.end(), name) == names_.end())
      names_.push_back(std::move(name));
  }
  void Consider(const Workload& workload, const Workload& source) {
    if (workload.waypoint) Consider(*workload.waypoint);
    if (workload.network_gateway && workload.network != source.network)
      Consider(*workload.network_gateway);
  }
  void Consider(const Service& service, const Workload& source) {
    if (service.waypoint) Consider(*service.waypoint);
    for (const WeightedWaypoint& each : service.weighted_waypoints) Consider(each.destination);
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

}  // namespace aquifer::mesh
