// Connections that are not HTTP: judged once by what policies can know of them, then copied. One
// thread.
#pragma once

#include "core/io/stream.h"
#include "waypoint/backends.h"
#include "waypoint/connection_context.h"

namespace aquifer::waypoint {

// Whether policies let a connection of this context through that is not HTTP; in a RequestRecord's
// words if not.
std::optional<std::string> DenyTcp(const Rules& rules, const ConnectionContext& context);

// Copies until both sides have ended. `stream` begins with whatever was read to find out.
Task<void> ServeTcp(io::StreamPtr stream, Backends& backends, const ExchangeParts& parts,
                    const ConnectionContext& context, StopToken stop);

}  // namespace aquifer::waypoint
