// Socket options that are integers. Any thread.
#pragma once

#include <sys/socket.h>

#include <tuple>

#include "core/base/last_error.h"
#include "core/base/result.h"

namespace aquifer::io {

inline Status SetOption(int fd, int level, int option, int value) {
  if (::setsockopt(fd, level, option, &value, sizeof value) == 0) return {};
  return LastError();
}

// The same where a socket that lacks the option still works: there is nobody to tell.
inline void TryOption(int fd, int level, int option, int value) {
  std::ignore = SetOption(fd, level, option, value);
}

}  // namespace aquifer::io
