// What the system call that failed last on this thread has left in errno.
#pragma once

#include <cerrno>

#include "core/base/result.h"

namespace aquifer {

inline Error LastError() { return Error{ReasonFromErrno(errno), errno}; }

}  // namespace aquifer
