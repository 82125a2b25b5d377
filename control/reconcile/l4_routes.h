// TCPRoutes, TLSRoutes and UDPRoutes: to which listeners of Gateways each one is attached, whether
// its references resolve, and the aquifer.mesh.v1.L4Route that the proxies of its Gateways get.
// Services as parents are left to others: a waypoint does not take these routes. Pure.
#pragma once

#include <optional>

#include "control/reconcile/route_parents.h"
#include "mesh/proto/waypoint.pb.h"

namespace aquifer::control {

struct AttachedL4Route : Attachment {
  std::optional<mesh::v1::L4Route> message;  // if any listener takes it
};

// `kind` is one of kTcpRoute, kTlsRoute, kUdpRoute.
AttachedL4Route AttachL4Route(Kind kind, const L4Route& route, const MeshIndex& index,
                              const GatewayMap& gateways);

}  // namespace aquifer::control
