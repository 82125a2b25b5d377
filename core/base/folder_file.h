// Reads one file of a folder whose content others choose: bounded, only a regular file, and only
// below the folder. Symbolic links are followed as long as they stay in it, as those of a mounted
// ConfigMap do. Blocking file I/O, any thread.
#pragma once

#include <cstddef>
#include <string>

#include "core/base/result.h"

namespace aquifer {

struct FileRefusal {
  std::string why;
  bool missing = false;  // nothing of that name is there
};

Result<std::string, FileRefusal> ReadFolderFile(const std::string& folder, const std::string& name,
                                                std::size_t max_bytes);

}  // namespace aquifer
