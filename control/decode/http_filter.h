// The filters of an HTTPRoute's rules and backends. Any thread.
#pragma once

#include "control/gateway_objects.h"
#include "control/kube/values.h"

namespace aquifer::control {

// Any filter type of the API; one that we cannot run becomes an UnusableFilter.
HttpFilter ReadHttpFilter(Fields& filter);

}  // namespace aquifer::control
