// Waits for what another task or thread brings about, when nothing tells of it.
#pragma once

#include <chrono>
#include <tuple>

#include "core/rt/timer.h"
#include "tests/support/catch.h"

namespace aquifer::test {

// Until `happened` holds; bounded.
template <class Condition>
Task<void> Until(Condition happened) {
  for (int i = 0; i < 5000 && !happened(); ++i)
    std::ignore = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
  CHECK(happened());
}

}  // namespace aquifer::test
