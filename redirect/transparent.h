// Sockets that speak with an address which is not the host's: the inbound proxy connects to the
// application from the client's own address, so that the application sees who called. Needs
// NET_ADMIN in the pod's namespace, and the policy routing of redirect/rules.h to bring the answers
// back.
#pragma once

#include <cstdint>

#include "core/base/address.h"
#include "core/base/result.h"

namespace aquifer::redirect {

// Marks a socket as transparent (IP_TRANSPARENT, IPV6_TRANSPARENT); `family` is its own.
Status SetTransparent(int fd, int family);

// Binds a TCP socket that is about to connect to `source`, with a port outside the range that hosts
// choose from by themselves. The client's host goes on choosing ports of its own for the same
// address, and connection tracking takes two connections with the same ends for one: the second
// would hang. Where the search for such a port begins is `random`; it is short, for the search for
// a free one must not grow with the number of connections. When all of it is taken the kernel
// chooses, at connect. The socket is of the family of `source`. On failure it is still usable,
// unbound.
Status BindSource(int fd, const Ip& source, std::uint32_t random);

// The n-th of the ports that no host chooses by itself (Linux: 32768 to 60999) and no service has
// as its privilege (below 1024). Repeats.
std::uint16_t SourcePort(std::uint32_t n);

}  // namespace aquifer::redirect
