// Files that a command was named: one by one, all manifests of a folder, or standard input.
// Bounded. Blocks; main thread.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace aquifer::cli {

struct InputFile {
  std::string name;  // as it was given, or in its folder
  std::string text;
};

// "-" is standard input. Of a folder: *.yaml, *.yml and *.json, in order of name, not of folders in
// it. The refusal's field is the file.
Decoded<std::vector<InputFile>> ReadInput(const std::vector<std::string>& paths);

}  // namespace aquifer::cli
