// Runs a coroutine to its end on a loop of its own, the way a test wants it.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "core/rt/loop.h"
#include "core/rt/task.h"
#include "tests/support/catch.h"

namespace aquifer::test {

inline std::unique_ptr<Loop> NewLoop(bool virtual_time = false) {
  Result<std::unique_ptr<Loop>> loop =
      Loop::Create({.virtual_time = virtual_time, .queue_entries = 64});
  REQUIRE(loop.ok());
  return *std::move(loop);
}

// On the real clock: for sockets.
inline void Run(Task<void> task) { NewLoop()->Run(std::move(task)); }
// Time jumps to the next timer when nothing can run: for waiting without kernel I/O.
inline void RunVirtual(Task<void> task) { NewLoop(true)->Run(std::move(task)); }

}  // namespace aquifer::test
