// Joins two streams: what one says the other hears, in both directions, with the endings kept
// apart. A FIN ends its direction only, and the other may go on for hours; a reset or an error ends
// both at once, as a reset on the other side. Silence ends both when the limits say so; a chunk
// pays nothing for that, its bytes are looked at from time to time.
#pragma once

#include <cstdint>

#include "core/io/stream.h"
#include "core/rt/timer_queue.h"

namespace aquifer::io {

// Counted as the bytes are handed on, so that they can be read while the copy runs.
struct CopyTotals {
  std::uint64_t a_to_b_bytes = 0;
  std::uint64_t b_to_a_bytes = 0;
  bool silent = false;  // it ended because nothing was handed on for as long as the limits allow
};

// How long nothing may be handed on in either direction. Zero: for ever.
struct CopyLimits {
  Clock::duration idle{};
  Clock::duration half_closed{};  // once one direction has ended
};

// Ok when both directions ended with FIN. Otherwise the first error, or the stop's reason, or
// kTimeout for silence; both streams are then marked Reset. All references outlive the call.
Task<Status> CopyBothWays(Stream& a, Stream& b, CopyTotals& totals, StopToken stop,
                          const CopyLimits& limits);
// Without limits.
Task<Status> CopyBothWays(Stream& a, Stream& b, CopyTotals& totals, StopToken stop);

}  // namespace aquifer::io
