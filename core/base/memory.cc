#include "core/base/memory.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace aquifer {

void GiveBackFreeMemory() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

}  // namespace aquifer
