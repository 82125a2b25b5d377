#include "core/io/linger.h"

#include "core/rt/timer.h"

namespace aquifer::io {

Task<void> Linger(Stream& stream, Clock::duration patience, StopToken stop, std::size_t most) {
  TimedStop timed(stop, patience, Reason::kTimeout);
  const Status shut = co_await stream.ShutdownWrite(timed.token());
  if (!shut) co_return;
  for (std::size_t dropped = 0; dropped < most;) {
    const Result<Chunk> got = co_await stream.Read(timed.token());
    if (!got || got->empty()) co_return;
    dropped += got->size();
  }
}

}  // namespace aquifer::io
