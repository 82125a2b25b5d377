#include "core/rt/timer.h"

#include "core/rt/event.h"

namespace aquifer {

Task<Status> SleepFor(Clock::duration duration, StopToken stop) {
  TimedStop timed(stop, duration, Reason::kTimeout);
  Event never;
  const Status ended = co_await never.Wait(timed.token());
  AQ_DCHECK(!ended.ok());
  if (ended.error().reason == Reason::kTimeout && !stop.requested()) co_return Status();
  co_return ended;
}

}  // namespace aquifer
