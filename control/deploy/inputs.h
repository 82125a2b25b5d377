// Whether a change of the mesh's objects can change what is deployed. Pods come and go all the
// time, and to plan every Gateway anew for each of them would keep the servers' loop. Pure; any
// thread.
#pragma once

#include "control/object_set.h"

namespace aquifer::control {

// False where it is not certain.
bool AsksForTheSame(const ObjectSet& a, const ObjectSet& b);

}  // namespace aquifer::control
