// Turns the text of a manifest file (YAML or JSON, any number of documents, Lists included) into
// typed objects. A document that cannot be used becomes a refusal that names file, document and
// field; the others are not touched by it. Pure; any thread.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/kube/values.h"
#include "control/object_set.h"

namespace aquifer::control {

struct ManifestRefusal {
  std::string file;
  int document = 0;              // from 1; 0 when it is about the file as a whole
  int line = 0;                  // where the document starts
  std::string object;            // "HTTPRoute default/http", as far as that could be read
  std::optional<ObjectKey> key;  // where it is certain which object was meant
  Refusal refusal;

  // One line for the operator.
  std::string ToString() const;
};

struct Manifest {
  std::vector<Object> objects;
  std::vector<ManifestRefusal> refusals;
  std::vector<Object> closed;     // in the place of refused policies, if nothing better is known
  std::set<std::string> skipped;  // "apps/v1 Deployment": kinds that are not ours
};

Manifest ReadManifest(std::string_view file, std::string_view text, const YamlLimits& limits = {});

}  // namespace aquifer::control
