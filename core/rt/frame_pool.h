// Memory for coroutine frames. Frames come and go with every call of a coroutine, in a few sizes,
// on one thread: a free list a size class makes that a pointer swap. Each thread keeps what its
// busiest moment needed, up to a bound.
#pragma once

#include <cstddef>

namespace aquifer {

// Never fails: out of memory aborts the process.
void* AllocateFrame(std::size_t bytes);
// `bytes` as given to AllocateFrame; on the thread that runs the coroutine.
void FreeFrame(void* frame, std::size_t bytes);

}  // namespace aquifer
