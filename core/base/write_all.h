// Writes to a file what write() may take in several parts. Blocking; any thread.
#pragma once

#include <string_view>

#include "core/base/result.h"

namespace aquifer {

Status WriteAll(int fd, std::string_view text);

}  // namespace aquifer
