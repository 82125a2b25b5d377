// mesh/proto/waypoint.proto to waypoint/config_model.h: HttpRoute. Every size is bounded before it
// is believed; a refusal names the field in the sender's own spelling. Pure, any thread.
#pragma once

#include "core/base/result.h"
#include "waypoint/config_model.h"

namespace aquifer::mesh::v1 {
class GatewayListenerRef;
class HttpRoute;
}  // namespace aquifer::mesh::v1

namespace aquifer::waypoint {

// A filter or backend that cannot be used does not refuse the route: it is marked, and its requests
// are answered 500. A match that cannot be used does, for a rule that matches more or less than its
// author wrote is worse than the route he had before.
Decoded<HttpRoute> DecodeHttpRoute(const mesh::v1::HttpRoute& message);

// What stands in for a route that was refused: whatever its parents get is answered 500, unless a
// better rule of another route takes it. Without it a service could have no route at all, and pass
// everything through. Of `message` what can be read counts.
HttpRoute RefusedRoute(const mesh::v1::HttpRoute& message, const std::string& resource_name,
                       const Refusal& refusal);

Decoded<ListenerRef> DecodeListenerRef(const mesh::v1::GatewayListenerRef& message,
                                       const std::string& field);

}  // namespace aquifer::waypoint
