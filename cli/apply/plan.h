// What is to be done in a folder of manifests so that it holds the objects that are wanted, or why
// that cannot be done: files of others are read, never written. Blocking file I/O; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/apply/wanted.h"

namespace aquifer::cli {

enum class Change : std::uint8_t { kNew, kChanged, kUnchanged };

struct Step {
  const WantedObject* object = nullptr;
  Change change = Change::kNew;
  std::string file;  // that holds it
};

struct Plan {
  std::vector<Step> steps;
  std::vector<std::string> obstacles;  // nothing is to be written if there are any
  std::vector<std::string> remarks;
};

// `objects` outlives the plan. The refusal is about the folder.
Decoded<Plan> MakePlan(const std::string& folder, const std::vector<WantedObject>& objects);

}  // namespace aquifer::cli
