// One connection from a client, as long as it lasts: finds out which version of HTTP it speaks and
// runs an exchange for each request on it. One thread: its Loop's.
#pragma once

#include "core/io/stream.h"
#include "core/rt/timer.h"
#include "waypoint/connection_context.h"

namespace aquifer::waypoint {

struct ConnectionLimits {
  Clock::duration idle_timeout = std::chrono::hours(1);
  Clock::duration head_timeout = std::chrono::seconds(60);
  // How long a client may be silent on a port of unknown protocol before it counts as one that
  // waits for the server to speak first.
  Clock::duration sniff_timeout = std::chrono::seconds(1);
};

// Serves HTTP/1.1, or HTTP/2 if the client begins with its preface. `first` are bytes read before.
// When `drain` fires requests in progress end well, and nothing new is taken; `stop` ends at once.
// All references outlive the call.
Task<void> ServeHttp(io::StreamPtr stream, Chunk first, const ExchangeParts& parts,
                     const ConnectionContext& context, const ConnectionLimits& limits,
                     StopToken drain, StopToken stop);

// What a port of unknown protocol turns out to carry. `first` is what was read to find out.
struct Inspected {
  bool http = false;
  Chunk first;
};
Task<Result<Inspected>> Inspect(io::Stream& stream, const ConnectionLimits& limits, StopToken stop);

}  // namespace aquifer::waypoint
