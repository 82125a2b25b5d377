// Host names to addresses, by the system's resolver. The lookup blocks a thread of its own, never
// the loop. For the few names of settings (control plane, CA); what pods ask for goes another way.
#pragma once

#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer::io {

// At least one address, in the resolver's order of preference; an address in text form is itself.
// kNotFound when there is none. A stop is honoured when the lookup has ended, which the system's
// resolver bounds.
Task<Result<std::vector<Ip>>> Resolve(std::string host, StopToken stop);

}  // namespace aquifer::io
