#include "mesh/classify.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "mesh/upstream.h"

namespace aquifer::mesh {
namespace {

// One question, as it goes from function to function.
struct Question {
  const Workload& source;
  const Address& destination;
  const ClassifyOptions& options;
  Asker asker;
};

// The service's own list, and the workload that was chosen.
std::vector<certs::Identity> Acceptable(const Service* service, const Workload& workload) {
  std::vector<certs::Identity> identities;
  if (service != nullptr) identities = service->identities;
  const certs::Identity own = workload.identity();
  if (std::find(identities.begin(), identities.end(), own) == identities.end())
    identities.push_back(own);
  return identities;
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

// A route to where `upstream` takes connections.
Route RouteTo(const Upstream& upstream) {
  Route route;
  route.connect_to = upstream.address;
  route.dialled = upstream.workload;
  if (upstream.named) route.hostname = upstream.workload->hostname;
  if (upstream.service != nullptr) route.families = upstream.service->ip_families;
  return route;
}

Route Direct(const Question& question, const Upstream& upstream) {
  Route route = RouteTo(upstream);
  route.destination = upstream.workload;
  if (upstream.workload->protocol == TunnelProtocol::kNone) return route;
  route.protocol = Protocol::kHbone;
  route.target = upstream.address;
  route.connect_to.port = question.options.hbone_port;
  route.identities = Acceptable(upstream.service.get(), *upstream.workload);
  return route;
}

// Into the network of `far`, which is an endpoint of `service` or its waypoint. There the name of
// the service is understood, and nothing else: its addresses may mean something else, and which
// workload answers is not ours to say.
Result<Route> Across(const Question& question, const Upstream& far, const ServiceRef& service) {
  if (service == nullptr || !far.workload->network_gateway) return Error{Reason::kUnsupported};
  AQ_TRY(const Upstream gateway,
         ChooseNetworkGateway(question.asker, *far.workload->network_gateway));
  Route route = RouteTo(gateway);
  route.protocol = Protocol::kDoubleHbone;
  route.identities = Acceptable(gateway.service.get(), *gateway.workload);
  route.far.host = service->hostname;
  route.far.port = question.destination.port;
  if (far.service != nullptr) route.far.identities = far.service->identities;
  route.destination = far.workload;
  return route;
}

// `service`: the one that was addressed, if any.
Result<Route> ToWaypoint(const Question& question, const GatewayAddress& reference,
                         const ServiceRef& service) {
  Result<Upstream> waypoint = ChooseWaypoint(question.asker, reference);
  if (!waypoint) return Error{Reason::kUnknownWaypoint};
  if (waypoint->workload->network != question.source.network)
    return Across(question, *waypoint, service);
  Route route = RouteTo(*waypoint);
  route.protocol = Protocol::kHbone;
  route.target = question.destination;
  route.identities = Acceptable(waypoint->service.get(), *waypoint->workload);
  route.to_waypoint = true;
  route.destination = waypoint->workload;
  return route;
}

// Where nobody of the mesh is known, or the service says that its clients know better. A service's
// name stays on the connection, for that is what the client addressed.
Route Passthrough(const Address& destination) {
  Route route;
  route.connect_to = destination;
  return route;
}

// `service`: as for ToWaypoint.
Result<Route> ToUpstream(const Question& question, const Upstream& upstream,
                         const ServiceRef& service) {
  const Workload& workload = *upstream.workload;
  if (workload.network != question.source.network) return Across(question, upstream, service);
  // Whoever addresses a service has asked for that service's waypoint and no other.
  if (service == nullptr && workload.waypoint &&
      !IsWaypointOf(question.asker.snapshot, question.source, workload)) {
    return ToWaypoint(question, *workload.waypoint, nullptr);
  }
  return Direct(question, upstream);
}

Result<Route> ToService(const Question& question, const ServiceRef& service) {
  if (service->has_waypoint())
    return ToWaypoint(question, SampleWaypoint(*service, question.asker.random), service);
  if (service->mode() == LoadBalancerMode::kPassthrough) return Passthrough(question.destination);
  AQ_TRY(const Upstream upstream,
         ChooseEndpointOf(question.asker, service, question.destination.port));
  return ToUpstream(question, upstream, service);
}

// To the address of a workload. When it is a service's address too, the service still chooses the
// endpoint, but the connection is none to the service: it goes by the endpoint's waypoint. A
// service that has none to offer leaves the workload itself: a workload of the mesh is never gone
// to in the clear for the sake of a service (ztunnel does).
Result<Route> ToWorkload(const Question& question, const WorkloadRef& workload,
                         const ServiceRef& service) {
  if (service != nullptr && service->mode() != LoadBalancerMode::kPassthrough) {
    const Result<Upstream> upstream =
        ChooseEndpointOf(question.asker, service, question.destination.port);
    if (upstream.ok()) {
      Result<Route> route = ToUpstream(question, *upstream, nullptr);
      if (route.ok()) route->service = service;
      return route;
    }
  }
  const Upstream itself{.workload = workload, .service = nullptr, .address = question.destination};
  return ToUpstream(question, itself, nullptr);
}

}  // namespace

bool ComesBack(const Address& destination, const ClassifyOptions& options) {
  // The kernel takes "any" for loopback.
  return (destination.ip.is_loopback() || destination.ip.is_any()) &&
         std::find(options.illegal_ports.begin(), options.illegal_ports.end(), destination.port) !=
             options.illegal_ports.end();
}

Result<Route> Classify(const Snapshot& snapshot, const Workload& source, const Address& destination,
                       const ClassifyOptions& options, const Random& random,
                       std::span<const std::string> tried) {
  if (ComesBack(destination, options)) return Error{Reason::kLoop};
  const NetworkAddress address{options.network, destination.ip};
  const WorkloadRef workload = snapshot.FindWorkloadAt(address);
  const ServiceRef service = snapshot.BestServiceAt(address, ClientNamespace(source.ns));
  const Question question{source, destination, options,
                          Asker{snapshot, source, destination.ip, tried, random}};
  if (workload != nullptr) return ToWorkload(question, workload, service);
  if (service == nullptr) return Passthrough(destination);
  Result<Route> route = ToService(question, service);
  if (route.ok()) route->service = service;
  return route;
}

}  // namespace aquifer::mesh
