// HTTPRoutes: to which listeners and services each one is attached, whether its references resolve
// (Gateway API, sections on route attachment and ReferenceGrant), and the aquifer.mesh.v1.HttpRoute
// that the proxies of its parents get. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "control/reconcile/gateways.h"
#include "control/reconcile/waypoints.h"
#include "mesh/proto/waypoint.pb.h"

namespace aquifer::control {

struct AttachedRoute {
  ObjectStatus status;                         // one entry a parent that is ours
  std::optional<mesh::v1::HttpRoute> message;  // if any parent accepted it
  std::set<std::string> gateways;              // "<namespace>/<name>": whose proxies need it
  // Listeners that it is attached to: namespace and name of the Gateway, name of the listener.
  std::set<std::pair<std::pair<std::string, std::string>, std::string>> listeners;
};

// The waypoint of each service, where it has one.
using ServiceWaypoints = std::map<const Service*, const BoundGateway*>;

AttachedRoute AttachRoute(const HttpRoute& route, const MeshIndex& index,
                          const GatewayMap& gateways, const ServiceWaypoints& waypoints);

// Whether two host names, each perhaps a wildcard or empty for any, have a name in common.
bool HostnamesIntersect(std::string_view a, std::string_view b);

}  // namespace aquifer::control
