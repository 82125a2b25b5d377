// Changing path and host of a request: URLRewrite of HTTPRoute, and the path rules that it shares
// with RequestRedirect (HTTPPathModifier). Pure, any thread.
#pragma once

#include <string>
#include <string_view>

#include "core/http/message.h"
#include "waypoint/config_model.h"

namespace aquifer::waypoint {

// `path` is without query and `match` is what the rule matched it by. A prefix goes by whole
// segments, so that neither "//" nor an empty path comes out.
std::string ModifyPath(const PathModifier& modifier, const PathMatch& match, std::string_view path);

// The query stays. What the client asked for goes into x-envoy-original-path, as applications
// behind Envoy know it.
[[nodiscard]] bool Rewrite(const UrlRewrite& rewrite, const PathMatch& match,
                           http::RequestHead& head);

}  // namespace aquifer::waypoint
