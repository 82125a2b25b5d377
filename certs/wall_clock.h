// Calendar time, which certificates speak of. Steady time (core/rt/timer_queue.h) is for timers: it
// does not jump when somebody sets the clock. Passed as an argument, so that tests can have theirs.
#pragma once

#include <chrono>
#include <functional>

namespace aquifer::certs {

using WallTime = std::chrono::sys_seconds;
using WallClock = std::function<WallTime()>;  // callable on the thread of whoever holds it

inline WallTime SystemWallTime() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace aquifer::certs
