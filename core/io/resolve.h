// Host names to addresses, by the system's resolver, which knows the machine's hosts file and
// search domains. The look-up blocks a thread of its own, never the loop: whoever lets others cause
// look-ups bounds them (core/io/name_cache.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer::io {

// At least one address, in the resolver's order of preference; an address in text form is itself.
// kNotFound when there is none. A stop is honoured at once: the thread is left to itself then,
// until the system's resolver has given up, and outlives whoever asked.
Task<Result<std::vector<Ip>>> Resolve(std::string host, StopToken stop);

// Called on a thread, and nothing that it refers to may end before it: it may outlive the loop. No
// addresses: there are none.
using BlockingLookup = std::function<std::vector<Ip>(const std::string& host)>;

// The same by another resolver.
Task<Result<std::vector<Ip>>> ResolveBy(BlockingLookup lookup, std::string host, StopToken stop);

}  // namespace aquifer::io
