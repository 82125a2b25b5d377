// What the allocator keeps of freed memory. Any thread.
#pragma once

namespace aquifer {

// Gives whole free pages back to the kernel: after a burst, since an allocator keeps them for the
// next one. Takes milliseconds in a large heap.
void GiveBackFreeMemory();

}  // namespace aquifer
