// mesh/proto/waypoint.proto to waypoint/config_model.h: AuthorizationPolicy. Never refuses as a
// whole: a policy that says something we cannot use must not vanish, so it comes back with
// `refused` set and denies everything at its targets until it is mended. Pure, any thread.
#pragma once

#include "core/base/result.h"
#include "waypoint/config_model.h"

namespace aquifer::mesh::v1 {
class AuthorizationPolicy;
}  // namespace aquifer::mesh::v1

namespace aquifer::waypoint {

Policy DecodePolicy(const mesh::v1::AuthorizationPolicy& message);
// Stands for a policy of which nothing but the resource name could be read: it denies everything.
Policy RefusedPolicy(std::string_view resource_name, std::string_view why);

}  // namespace aquifer::waypoint
