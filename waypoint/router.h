// What becomes of a request that policies have let through: which backend gets it, or which answer
// it gets at once. Pure, any thread; the random number comes in.
#pragma once

#include <cstdint>
#include <optional>

#include "waypoint/config_model.h"
#include "waypoint/local_reply.h"
#include "waypoint/match.h"
#include "waypoint/request_view.h"

namespace aquifer::waypoint {

// Points into the routes it was made from.
struct RouteAction {
  std::optional<LocalReply> reply;  // instead of forwarding
  ServiceRef destination;
  Matched matched;                   // empty: the service has no routes
  const Backend* backend = nullptr;  // null: the service that was addressed
};

// By weight over all backends; null if there is none to choose. `random` is uniform over 64 bits.
const Backend* PickBackend(const RouteRule& rule, std::uint64_t random);

// A request to a service without routes.
RouteAction PassThrough(const ServiceRef& service);

// `own_service` is the service that was addressed; null at a gateway's listener. A rule without
// backends sends to it, and has nowhere to send at a listener. A backend that cannot be used is
// answered 500: the next rule is never tried.
RouteAction Decide(const Matched& matched, const RequestView& request,
                   const ServiceRef* own_service, std::uint16_t listener_port,
                   std::uint64_t random);

}  // namespace aquifer::waypoint
