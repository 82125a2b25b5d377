// Waiting for time and bounding waits by it. One thread: its Loop's.
#pragma once

#include <chrono>
#include <coroutine>

#include "core/rt/loop.h"
#include "core/rt/stop.h"

namespace aquifer {

// A token that fires with `reason` when the time is over, or with the parent's reason when the
// parent does.
//   TimedStop timed(stop, config.connect_timeout, Reason::kConnectTimeout);
//   co_await Connect(address, timed.token());
class TimedStop final : private Timer {
 public:
  TimedStop(StopToken parent, Clock::duration timeout, Reason reason)
      : source_(parent), reason_(reason) {
    Restart(timeout);
  }
  ~TimedStop() { Loop::Current().timers().Cancel(*this); }

  StopToken token() { return source_.token(); }
  void RequestStop(Reason reason) { source_.RequestStop(reason); }
  // The time starts anew; for waits that are bounded from the last sign of life.
  void Restart(Clock::duration timeout) {
    Loop& loop = Loop::Current();
    loop.timers().Set(*this, loop.now() + timeout);
  }
  // From here on only the parent stops the token.
  void Disarm() { Loop::Current().timers().Cancel(*this); }

 private:
  void OnTimer() override { source_.RequestStop(reason_); }

  StopSource source_;
  Reason reason_;
};

// Ok after `duration`, the stop's reason before.
Task<Status> SleepFor(Clock::duration duration, StopToken stop);

}  // namespace aquifer
