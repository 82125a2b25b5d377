// RequestRedirect of HTTPRoute: where the client is sent instead. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>

#include "waypoint/config_model.h"
#include "waypoint/request_view.h"

namespace aquifer::waypoint {

// The Location. What the filter leaves out comes from the request, the port from the scheme that
// the filter names, else from the listener; the port that a scheme implies is not written.
std::string RedirectLocation(const RequestRedirect& redirect, const PathMatch& match,
                             const RequestView& request, std::uint16_t listener_port);

}  // namespace aquifer::waypoint
