// How long a request may take and how often it is tried: the route's timeouts and retries
// (HTTPRouteTimeouts, HTTPRouteRetry) and the client's own grpc-timeout. Pure, any thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/http/header.h"
#include "waypoint/config_model.h"

namespace aquifer::waypoint {

struct Deadlines {
  std::chrono::milliseconds whole{0};  // 0: none
  std::chrono::milliseconds each{0};   // of one try; 0: none
  std::uint32_t tries = 3;

  // What the backend is told that it has; 0: nothing.
  std::chrono::milliseconds told() const { return whole.count() != 0 ? whole : each; }
};

// `rule` is null for a service without routes.
Deadlines DeadlinesOf(const RouteRule* rule, const http::HeaderList& headers, bool grpc);

}  // namespace aquifer::waypoint
