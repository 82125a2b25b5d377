// What a CONNECT to this waypoint leads to: a service or a pod that the control plane has bound to
// us, on a port that it has. Everything else is refused: a waypoint is no open proxy. Pure, any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hbone/connect.h"
#include "mesh/snapshot.h"
#include "waypoint/config_model.h"
#include "waypoint/route_index.h"
#include "waypoint/upstream.h"

namespace aquifer::waypoint {

struct Bound {
  Destination destination;
  Address address;  // the CONNECT's
};

// Refusal::why is for the operator of the (authenticated) peer.
Decoded<Bound> ResolveConnect(const mesh::Snapshot& snapshot, const Gateway& gateway,
                              const std::string& network, const hbone::Authority& authority);

// What is declared of the bytes in such a tunnel; unknown: they are looked at.
enum class Carried : std::uint8_t { kHttp, kTcp, kUnknown };

// A route that is attached to the port says HTTP where its protocol is not declared.
Carried DeclaredOf(const RouteIndex& routes, const Bound& bound, std::string_view client_namespace);

}  // namespace aquifer::waypoint
