// The objects that `aquifer apply` is given, each as the file that it becomes: read by the control
// plane's own decoder, twice, so that what is written is what was judged. Pure; any thread.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "cli/input.h"
#include "control/objects.h"
#include "kube/fields.h"

namespace aquifer::cli {

struct WantedObject {
  control::ObjectKey key;
  std::string origin;  // the file that it was read from
  std::string file;    // its name in the folder
  std::string text;    // YAML
  kube::Json value;
};

struct Wanted {
  std::vector<WantedObject> objects;  // in the order of the input
  std::vector<std::string> refusals;  // a line each: file, document and field
  std::set<std::string> skipped;      // kinds that the control plane does not read
};

Wanted ReadWanted(const std::vector<InputFile>& files);

// Of an object whose names are those of the API server: no separator, no dot in front, short enough
// for a file system with what is put behind it while it is written.
std::string ManifestFileName(const control::ObjectKey& key);

}  // namespace aquifer::cli
