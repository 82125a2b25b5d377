// Manifests in versions that API servers have dropped, written in those that they serve. Everything
// else stays as it is, and what was written so is not changed again. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/convert/edit.h"

namespace aquifer::cli {

struct ConvertOptions {
  std::string name_space = "default";  // of objects that name none
  // The Gateway, by namespace and name, of routes that no Gateway of the input has chosen.
  std::optional<std::pair<std::string, std::string>> gateway;
};

struct Conversion {
  std::vector<OrderedJson> objects;
  std::vector<std::string> done;    // a sentence for each object that was changed
  std::vector<std::string> failed;  // one for each that could not be, or not wholly
};

Conversion Convert(std::vector<OrderedJson> objects, const ConvertOptions& options);

}  // namespace aquifer::cli
