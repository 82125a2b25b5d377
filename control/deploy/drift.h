// Whether an object in the cluster still says what was applied. Only what we apply is looked at:
// defaults of the API server and others' fields are none of our business. Pure; any thread.
#pragma once

#include "control/kube/values.h"

namespace aquifer::control {

// What `live` has in the places where `applied` has something; equal to `applied` if all of it
// holds. Elements of keyed lists are found by their keys.
Json ProjectOnto(const Json& applied, const Json& live);

}  // namespace aquifer::control
