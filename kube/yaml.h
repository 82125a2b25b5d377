// Reads the YAML of Kubernetes manifests into JSON values, one document at a time, so that a bad
// document never takes its neighbours with it. Scalars get the types that kubectl gives them.
// Everything is bounded before it is believed: bytes, documents, nodes, depth; aliases are expanded
// within the same budget of nodes, so that nested anchors cannot multiply. No state; any thread.
#pragma once

#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "kube/fields.h"

namespace aquifer::kube {

struct YamlLimits {
  size_t text_bytes = 4 << 20;
  size_t document_bytes = 256 << 10;
  size_t documents = 4096;
  size_t nodes = 20'000;  // of one document, aliases expanded
  int depth = 40;
};

struct YamlDocument {
  int number = 0;  // from 1, as a reader counts the parts between the separators
  int line = 0;    // where it starts in the text
  Decoded<Json> value;
};

// The documents of `text`; those without content are left out. A refusal names the line in the
// text.
std::vector<YamlDocument> ReadYaml(std::string_view text, const YamlLimits& limits);

}  // namespace aquifer::kube
