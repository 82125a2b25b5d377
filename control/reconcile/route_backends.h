// The rules of an HTTPRoute as the proxies get them, with each reference to a backend resolved: a
// bad one stays in its place and says why, so that its share of the requests fails instead of going
// to the others. Pure.
#pragma once

#include <string>

#include "control/reconcile/backend_refs.h"
#include "mesh/proto/waypoint.pb.h"

namespace aquifer::control {

// Adds the rules to `message`; the condition is ResolvedRefs.
Condition AddRules(const HttpRoute& route, const MeshIndex& index, Grants grants,
                   mesh::v1::HttpRoute& message);

}  // namespace aquifer::control
