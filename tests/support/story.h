// A test case as a coroutine that is given a world of its own: World is made on the loop, and its
// `Task<void> End()` is awaited when the story is over.
#pragma once

#include "tests/support/run_task.h"

namespace aquifer::test {

template <class World>
Task<void> TellIn(Task<void> (*story)(World&)) {
  World world;
  co_await story(world);
  co_await world.End();
}

// On the real clock: for sockets.
template <class World>
void Tell(Task<void> (*story)(World&)) {
  Run(TellIn(story));
}
// Time jumps to the next timer when nothing can run.
template <class World>
void TellVirtual(Task<void> (*story)(World&)) {
  RunVirtual(TellIn(story));
}

}  // namespace aquifer::test
