// Sockets that speak with an address which is not the host's: the inbound proxy connects to the
// application from the client's own address, so that the application sees who called. Needs
// NET_ADMIN in the pod's namespace, and the policy routing of redirect/rules.h to bring the answers
// back.
#pragma once

#include "core/base/address.h"
#include "core/base/result.h"

namespace aquifer::redirect {

// Marks a socket as transparent (IP_TRANSPARENT, IPV6_TRANSPARENT); `family` is its own.
Status SetTransparent(int fd, int family);

// Binds a TCP socket that is about to connect to `source`, with a port that the kernel chooses at
// connect. Not at bind: a port chosen before the destination is known must be free towards
// everybody, and the search for one grows with the number of connections. The socket is of the
// family of `source`. On failure the socket is still usable, unbound.
Status BindSource(int fd, const Ip& source);

}  // namespace aquifer::redirect
