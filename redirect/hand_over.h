// Listeners that share a port by SO_REUSEPORT while an old and a new proxy overlap in an upgrade.
// The kernel spreads connections over all of them, and one that it has given to the old proxy is
// reset when that closes its listener. So the old one first has the kernel pass it by (a classic
// BPF program of the group, SO_ATTACH_REUSEPORT_CBPF; no privilege needed), and closes when what
// was on its way has been accepted. Any thread.
#pragma once

#include "core/base/result.h"

namespace aquifer::redirect {

// From now on new connections go to the listener that joined the group after the first `ours` of
// them; while there is none, they are spread as before. All of `ours` belong to the process that
// leaves, which is the oldest.
Status PassBy(int listener, unsigned ours);

// Ends what a predecessor's PassBy left in the group. For a listener that has just joined it.
void TakePart(int listener);

}  // namespace aquifer::redirect
