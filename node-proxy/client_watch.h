// Ends a dial that nobody waits for any more: a client that was reset. A client that has only ended
// its own direction is still served, so a FIN ends nothing. One worker's.
#pragma once

#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer::node {

// Asks `dial` to stop with kPeerReset when the connection of `fd` breaks. Returns then, or with
// `over`; the descriptor stays open as long.
Task<void> StopWhenReset(int fd, StopSource& dial, StopToken over);

}  // namespace aquifer::node
