// Writes values as YAML that reads back as the same values, here and under kubectl, with the keys
// in the order in which they are held. What a reader could take for something else than text is
// quoted. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace aquifer::kube {

using OrderedJson = nlohmann::ordered_json;

// One document, with a line feed at its end and no separator.
std::string WriteYaml(const OrderedJson& value);

}  // namespace aquifer::kube
