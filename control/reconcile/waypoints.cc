#include "control/reconcile/waypoints.h"

#include <algorithm>
#include <utility>

namespace aquifer::control {
namespace {

constexpr std::string_view kUseWaypoint = "istio.io/use-waypoint";
constexpr std::string_view kUseWaypointNamespace = "istio.io/use-waypoint-namespace";

const BoundListener* HboneListener(const BoundGateway& gateway) {
  const auto found = std::find_if(gateway.listeners.begin(), gateway.listeners.end(),
                                  [](const BoundListener& listener) {
                                    return listener.usable && listener.spec->protocol == "HBONE";
                                  });
  return found == gateway.listeners.end() ? nullptr : &*found;
}

std::string FullName(const BoundGateway& gateway) {
  return gateway.namespace_name() + "/" + gateway.name();
}

istio::workload::GatewayAddress NameAddress(std::string_view namespace_name, std::string hostname) {
  istio::workload::GatewayAddress address;
  address.mutable_hostname()->set_namespace_(std::string(namespace_name));
  address.mutable_hostname()->set_hostname(std::move(hostname));
  address.set_hbone_mtls_port(kHbonePort);
  return address;
}

// A Service is preferred, so that the client picks a pod of it; without one the address is that of
// the first ready pod.
istio::workload::GatewayAddress AddressOf(const BoundGateway& gateway, const MeshIndex& index) {
  if (gateway.service != nullptr)
    return NameAddress(gateway.namespace_name(), index.HostnameOf(*gateway.service));
  istio::workload::GatewayAddress address;
  for (const Pod* pod : gateway.pods) {
    if (!IsReady(*pod)) continue;
    address.mutable_address()->set_network(index.settings().network);
    address.mutable_address()->set_address(pod->ips[0].ByteString());
    break;
  }
  address.set_hbone_mtls_port(kHbonePort);
  return address;
}

bool Handles(WaypointScope scope, bool service) {
  if (scope == WaypointScope::kAll) return true;
  return scope == (service ? WaypointScope::kService : WaypointScope::kWorkload);
}

}  // namespace

WaypointResolver::WaypointResolver(const MeshIndex& index, const GatewayMap& gateways)
    : index_(index), gateways_(gateways) {
  for (const auto& [key, gateway] : gateways) {
    if (gateway.role != GatewayRole::kWaypoint) continue;
    if (!gateway.for_service_account.empty()) {
      // Two waypoints of one account: the older object wins, then the name.
      const BoundGateway*& place =
          by_account_[{gateway.namespace_name(), gateway.for_service_account}];
      if (place == nullptr ||
          gateway.object->meta.creation_seconds < place->object->meta.creation_seconds) {
        place = &gateway;
      }
    }
    for (const Pod* pod : gateway.pods) waypoint_pods_.emplace(pod, &gateway);
    if (gateway.service != nullptr) waypoint_services_.emplace(gateway.service, &gateway);
  }
}

bool WaypointResolver::ServesWaypoint(const Pod& pod) const {
  return waypoint_pods_.contains(&pod);
}

const BoundGateway* WaypointResolver::OfAccount(const Pod& pod) const {
  const auto found = by_account_.find({pod.meta.namespace_name, pod.service_account});
  return found == by_account_.end() ? nullptr : found->second;
}

WaypointBinding WaypointResolver::ForPod(const Pod& pod) const {
  if (ServesWaypoint(pod)) return {};
  return Resolve(pod.meta, OfAccount(pod), Traffic::kWorkload);
}

WaypointBinding WaypointResolver::ForService(const Service& service) const {
  if (waypoint_services_.contains(&service)) return {};
  // A service belongs to an account's waypoint only if every pod behind it does: half its traffic
  // must not escape the policies, nor may a stranger's pods be drawn in.
  const std::vector<const Pod*>& pods = index_.PodsOf(service);
  const BoundGateway* of_account = pods.empty() ? nullptr : OfAccount(*pods[0]);
  for (const Pod* pod : pods) {
    if (ServesWaypoint(*pod)) return {};
    if (OfAccount(*pod) != of_account) of_account = nullptr;
  }
  return Resolve(service.meta, of_account, Traffic::kService);
}

bool WaypointResolver::ReadLabels(const Meta& meta, const Labels& labels, bool direct,
                                  Request& request, bool& asked) const {
  const std::string_view name = LabelOf(labels, kUseWaypoint);
  if (name.empty()) return false;
  asked = name != "none";
  const std::string_view space = LabelOf(labels, kUseWaypointNamespace);
  request = {std::string(space.empty() ? std::string_view(meta.namespace_name) : space),
             std::string(name), direct};
  return true;
}

WaypointBinding WaypointResolver::Resolve(const Meta& meta, const BoundGateway* of_account,
                                          Traffic traffic) const {
  Request request;
  bool asked = false;
  if (ReadLabels(meta, meta.labels, true, request, asked)) {
    return asked ? Bind(request, meta, traffic) : WaypointBinding();
  }
  if (of_account != nullptr && Handles(of_account->scope, traffic == Traffic::kService)) {
    WaypointBinding binding = BindTo(*of_account, meta, traffic, false);
    binding.of_account = true;
    return binding;
  }
  const Namespace* space = FindObject(index_.objects().namespaces, "", meta.namespace_name);
  if (space == nullptr || !ReadLabels(meta, space->meta.labels, false, request, asked) || !asked)
    return {};
  return Bind(request, meta, traffic);
}

WaypointBinding WaypointResolver::Bind(const Request& request, const Meta& meta,
                                       Traffic traffic) const {
  const BoundGateway* gateway = FindGateway(gateways_, request.namespace_name, request.name);
  if (gateway == nullptr) {
    return Unresolved(request, "WaypointIsNotReady",
                      "there is no waypoint " + request.namespace_name + "/" + request.name);
  }
  return BindTo(*gateway, meta, traffic, request.direct);
}

WaypointBinding WaypointResolver::BindTo(const BoundGateway& gateway, const Meta& meta,
                                         Traffic traffic, bool direct) const {
  const Request request{gateway.namespace_name(), gateway.name(), direct};
  if (!Handles(gateway.scope, traffic == Traffic::kService)) {
    WaypointBinding none;
    // Inherited from the namespace it simply does not concern this kind of traffic; asked for by
    // name it is a mistake worth a word.
    if (direct) {
      none.conditions.push_back(
          {std::string(kWaypointBound), false, "UnsupportedTrafficType",
           "waypoint " + FullName(gateway) + " does not handle this kind of traffic"});
    }
    return none;
  }
  const BoundListener* listener = HboneListener(gateway);
  if (listener == nullptr) {
    return Unresolved(request, "WaypointIsNotReady",
                      "waypoint " + FullName(gateway) + " has no usable HBONE listener");
  }
  if (!AllowsNamespace(*listener->spec, gateway.namespace_name(), meta.namespace_name, index_)) {
    return Unresolved(
        request, "AttachmentDenied",
        "waypoint " + FullName(gateway) + " does not allow namespace " + meta.namespace_name);
  }
  const bool ready = gateway.HasReadyPod();
  const bool bypass = index_.settings().missing_waypoint == MeshSettings::MissingWaypoint::kBypass;
  if (!ready && (bypass || gateway.service == nullptr)) {
    return Unresolved(request, "WaypointIsNotReady",
                      "waypoint " + FullName(gateway) + " has no ready pod");
  }
  WaypointBinding binding;
  binding.gateway = &gateway;
  binding.bound = true;
  // A Service that loses its last pod keeps the binding: clients find no endpoint and refuse,
  // without a push to everybody.
  binding.address = AddressOf(gateway, index_);
  binding.conditions.push_back({std::string(kWaypointBound), ready,
                                ready ? "WaypointAccepted" : "WaypointIsNotReady",
                                (ready ? "bound to " : "no ready pod in ") + FullName(gateway)});
  return binding;
}

WaypointBinding WaypointResolver::Unresolved(const Request& request, std::string reason,
                                             std::string message) const {
  WaypointBinding binding;
  if (index_.settings().missing_waypoint == MeshSettings::MissingWaypoint::kRefuse) {
    binding.bound = true;
    // RFC 2606 keeps .invalid free, so nothing will ever answer to this name.
    binding.address = NameAddress(
        request.namespace_name, request.name + "." + request.namespace_name + ".waypoint.invalid");
    message += "; traffic is refused until it is";
  }
  binding.conditions.push_back(
      {std::string(kWaypointBound), false, std::move(reason), std::move(message)});
  return binding;
}

}  // namespace aquifer::control
