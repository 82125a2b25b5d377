// mesh/proto/waypoint.proto to waypoint/config_model.h: L4Route. Every size is bounded before it is
// believed; a refusal names the field in the sender's own spelling. Pure, any thread.
#pragma once

#include "core/base/result.h"
#include "waypoint/config_model.h"

namespace aquifer::mesh::v1 {
class L4Route;
}  // namespace aquifer::mesh::v1

namespace aquifer::waypoint {

// A backend that cannot be used does not refuse the route: it is marked, and its share is turned
// away.
Decoded<L4Route> DecodeL4Route(const mesh::v1::L4Route& message);

// What stands in for a route that was refused: it takes what it would have taken, as far as that
// can be read, and turns it away. Without it another route could get what was not meant for it.
L4Route RefusedL4Route(const mesh::v1::L4Route& message, const std::string& resource_name,
                       const Refusal& refusal);

}  // namespace aquifer::waypoint
