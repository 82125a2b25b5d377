// What the routes of the Gateway API have in common: their parents, host names and references to
// backends (CommonRouteSpec, BackendObjectReference). Any thread.
#pragma once

#include <string>
#include <vector>

#include "control/gateway_objects.h"
#include "control/kube/values.h"

namespace aquifer::control {

// Of a route's spec.
std::vector<ParentRef> ReadParents(Fields& spec);
std::vector<std::string> ReadHostnames(Fields& spec);

// group, kind, name, namespace and port of a backendRef; leaves the other fields to the caller.
ObjectRef ReadBackendObject(Fields& reference);

}  // namespace aquifer::control
