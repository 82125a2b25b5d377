// Where a captured connection was going before a redirect rule changed its destination. Asked once
// an accepted socket, on its worker.
#pragma once

#include "core/base/address.h"
#include "core/base/result.h"

namespace aquifer::redirect {

// The destination that connection tracking remembers (SO_ORIGINAL_DST), else the socket's own
// address, which is what a connection that no rule redirected was going to. An IPv4 destination is
// IPv4, also on a socket of a dual-stack listener. kNoOriginalDestination if the kernel knows
// neither.
Result<Address> OriginalDestination(int fd);

}  // namespace aquifer::redirect
