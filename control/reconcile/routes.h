// HTTPRoutes: to which listeners and services each one is attached, whether its references resolve
// (Gateway API, sections on route attachment and ReferenceGrant), and the aquifer.mesh.v1.HttpRoute
// that the proxies of its parents get. Pure.
#pragma once

#include <map>
#include <optional>

#include "control/reconcile/entries.h"
#include "control/reconcile/route_parents.h"
#include "control/reconcile/waypoints.h"
#include "mesh/proto/waypoint.pb.h"

namespace aquifer::control {

struct AttachedRoute : Attachment {
  std::optional<mesh::v1::HttpRoute> message;  // if any parent accepted it
};

// The waypoint of each service, where it has one.
using ServiceWaypoints = std::map<const Service*, const BoundGateway*>;

AttachedRoute AttachRoute(const HttpRoute& route, const MeshIndex& index,
                          const GatewayMap& gateways, const ServiceWaypoints& waypoints,
                          const Entries& entries);

}  // namespace aquifer::control
