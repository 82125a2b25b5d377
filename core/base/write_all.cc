#include "core/base/write_all.h"

#include <unistd.h>

#include <cerrno>

#include "core/base/last_error.h"

namespace aquifer {

Status WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return LastError();
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

}  // namespace aquifer
