// The filters of an HTTPRoute's rules and backends, and the references to backends that both hold.
// Any thread.
#pragma once

#include "control/gateway_objects.h"
#include "control/kube/values.h"

namespace aquifer::control {

// Any filter type of the API; one that we cannot run becomes an UnusableFilter.
HttpFilter ReadHttpFilter(Fields& filter);

// group, kind, name, namespace and port of a backendRef; leaves the other fields to the caller.
ObjectRef ReadBackendObject(Fields& reference);

}  // namespace aquifer::control
