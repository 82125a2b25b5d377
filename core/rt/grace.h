// An orderly end with a limit: what runs is given time to end by itself, and is told to stop after
// that. One thread: its Loop's.
#pragma once

#include <functional>

#include "core/rt/loop.h"
#include "core/rt/task.h"

namespace aquifer {

// Returns when `work` has. `hurry` is called once if that takes longer than `grace`; it makes
// `work` return.
Task<void> WithGrace(Task<void> work, Clock::duration grace, std::function<void()> hurry);

}  // namespace aquifer
