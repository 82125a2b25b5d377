// Small files that hold secrets or trust: read whole with a bound, written whole or not at all. For
// the control loop and start-up only: the calls block. Any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace aquifer::certs {

// kNotFound when there is no such file; kBadRequest when it is longer than `max_bytes`.
Result<std::string> ReadSmallFile(const std::string& path, size_t max_bytes);

// A reader sees the old content or the new one: written beside `path`, synced, then renamed. `mode`
// holds from the first byte on.
Status WriteFileWhole(const std::string& path, std::string_view content, mode_t mode);

}  // namespace aquifer::certs
