// How long the kernel's connection tracking keeps a connection of which one direction has ended. A
// captured connection lives by its entry: without it the next packet is no longer redirected, or
// no longer turned back, and both ends wait for ever. The kernel's minute is too short: the other
// direction may be silent for hours. For the network namespace of the calling thread.
#pragma once

namespace aquifer::redirect {

// An hour: the node proxy's sockets send keep-alive probes every three minutes, each of which
// renews the entry. A longer time that somebody else chose stays. Where the kernel does not let us
// write the setting, capture goes on without.
void KeepHalfClosed();
// Back to the kernel's own time, if it is still ours that is set.
void RestoreHalfClosed();

}  // namespace aquifer::redirect
