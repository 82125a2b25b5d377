// What a CONNECT to this waypoint leads to: a service or a pod that the control plane has bound to
// us, on a port that it has. Everything else is refused: a waypoint is no open proxy. Pure, any
// thread.
#pragma once

#include <optional>
#include <string>

#include "hbone/connect.h"
#include "mesh/snapshot.h"
#include "waypoint/config_model.h"
#include "waypoint/upstream.h"

namespace aquifer::waypoint {

struct Bound {
  Destination destination;
  Address address;  // the CONNECT's
};

// Refusal::why is for the operator of the (authenticated) peer.
Decoded<Bound> ResolveConnect(const mesh::Snapshot& snapshot, const Gateway& gateway,
                              const std::string& network, const hbone::Authority& authority);

}  // namespace aquifer::waypoint
