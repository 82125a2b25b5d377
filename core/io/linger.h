// The end of a connection whose peer still has to hear what was said last: to close a socket on
// which something of the peer is unread is to reset it, and a reset overtakes what is on its way.
// One thread: its Loop's.
#pragma once

#include <cstddef>
#include <limits>

#include "core/io/stream.h"
#include "core/rt/timer_queue.h"

namespace aquifer::io {

// Ends our direction, then reads and drops what still comes: until the peer's end, for `patience`,
// or `most` bytes of it.
Task<void> Linger(Stream& stream, Clock::duration patience, StopToken stop,
                  std::size_t most = std::numeric_limits<std::size_t>::max());

}  // namespace aquifer::io
