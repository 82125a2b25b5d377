// mesh/proto/waypoint.proto to waypoint/config_model.h: Gateway. Every size is bounded before it is
// believed; a refusal names the field in the sender's own spelling. Pure, any thread.
#pragma once

#include "core/base/result.h"
#include "waypoint/config_model.h"

namespace aquifer::mesh::v1 {
class Gateway;
}  // namespace aquifer::mesh::v1

namespace aquifer::waypoint {

Decoded<Gateway> DecodeGateway(const mesh::v1::Gateway& message);

}  // namespace aquifer::waypoint
