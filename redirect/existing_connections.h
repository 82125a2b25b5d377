// Connections that were there before the rules of a captured pod. The kernel's tracking begins with
// the rules, would take their next packet for the first of a new connection and redirect it, which
// ends them. So each gets an entry of its own, untranslated: it goes on as it is until it ends, and
// a packet of no known connection still gets nowhere but to the proxy. By sock_diag(7) and
// conntrack's netlink, for the network namespace of the calling thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/result.h"

namespace aquifer::redirect {

struct Existing {
  std::size_t kept = 0;
  std::optional<Refusal> not_kept;  // why others, or all, are cut by their next packet
};

// As what the kernel would track a connection by now of which a socket is in this state. What is
// about to end must not stay for days: a new connection between the same ends would pass by its
// entry.
struct TrackedAs {
  std::uint8_t state;  // TCP_CONNTRACK_ESTABLISHED and the like
  std::uint32_t seconds;
};
TrackedAs TrackedAsOf(int socket_state);

// Gives those an entry that have none.
Existing KeepExisting();

}  // namespace aquifer::redirect
