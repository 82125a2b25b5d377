// Joins two streams: what one says the other hears, in both directions, with the endings kept
// apart. A FIN ends its direction only, and the other may go on for hours; a reset or an error ends
// both at once, as a reset on the other side.
#pragma once

#include <cstdint>

#include "core/io/stream.h"

namespace aquifer::io {

// Counted as the bytes are handed on, so that they can be read while the copy runs.
struct CopyTotals {
  std::uint64_t a_to_b_bytes = 0;
  std::uint64_t b_to_a_bytes = 0;
};

// Ok when both directions ended with FIN. Otherwise the first error, or the stop's reason; both
// streams are then marked Reset. `a`, `b` and `totals` outlive the call.
Task<Status> CopyBothWays(Stream& a, Stream& b, CopyTotals& totals, StopToken stop);

}  // namespace aquifer::io
