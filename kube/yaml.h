// Reads the YAML of Kubernetes manifests into JSON values, one document at a time, so that a bad
// document never takes its neighbours with it. Scalars get the types that kubectl gives them.
// Everything is bounded before it is believed: bytes, documents, nodes, depth; aliases are expanded
// within the same budget of nodes, so that nested anchors cannot multiply. No state; any thread.
#pragma once

#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "kube/fields.h"
#include "kube/yaml_text.h"

namespace aquifer::kube {

struct YamlLimits {
  size_t text_bytes = 4 << 20;
  size_t document_bytes = 256 << 10;
  size_t documents = 4096;
  size_t nodes = 20'000;  // of one document, aliases expanded
  int depth = 40;
};

template <class Value>
struct BasicYamlDocument {
  int number = 0;  // from 1, as a reader counts the parts between the separators
  int line = 0;    // where it starts in the text
  Decoded<Value> value;
};
using YamlDocument = BasicYamlDocument<Json>;
using OrderedYamlDocument = BasicYamlDocument<OrderedJson>;

// The documents of `text`; those without content are left out. A refusal names the line in the
// text.
std::vector<YamlDocument> ReadYaml(std::string_view text, const YamlLimits& limits);
// The same with keys in the order of the text, for what is written again. A key is found by walking
// its mapping, so this is for input of the one who waits for it.
std::vector<OrderedYamlDocument> ReadOrderedYaml(std::string_view text, const YamlLimits& limits);

}  // namespace aquifer::kube
