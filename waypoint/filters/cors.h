// CORS of HTTPRoute (HTTPCORSFilter; Fetch standard, section 3.2): answers preflights and marks the
// responses that a page of an allowed origin may read. Pure, any thread.
#pragma once

#include <optional>
#include <string>

#include "core/http/header.h"
#include "waypoint/config_model.h"
#include "waypoint/request_view.h"

namespace aquifer::waypoint {

// OPTIONS with Origin and Access-Control-Request-Method.
bool IsPreflight(const RequestView& request);

// Whether a page of `origin` may ask. An empty list of origins allows nobody.
bool AllowsOrigin(const Cors& cors, std::string_view origin);

// The fields of the answer to a preflight, 200 with an empty body. Without any access-control field
// when the origin is not allowed, which is how a browser is told.
http::HeaderList PreflightFields(const Cors& cors, const RequestView& request);

// Adds what the response to an ordinary request from `origin` needs, in place of what the
// application says about the same matter. False when the fields no longer fit.
[[nodiscard]] bool MarkResponse(const Cors& cors, std::string_view origin,
                                http::HeaderList& headers);

}  // namespace aquifer::waypoint
