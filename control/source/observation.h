// What a source of objects, a directory of manifests or the API server, hands on to the Controller.
// A value.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "control/manifest.h"
#include "control/object_set.h"

namespace aquifer::control {

// What a source of objects sees at one moment.
struct Observation {
  ObjectSet objects;
  std::vector<ManifestRefusal> refusals;
  std::set<std::string> skipped;  // kinds that are not ours
  size_t closed = 0;  // policies that deny because they are refused and nothing better is known
  size_t kept = 0;    // objects that are no longer written anywhere, kept because of a refusal
};

}  // namespace aquifer::control
