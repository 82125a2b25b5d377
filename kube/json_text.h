// JSON as an API server writes it, from bytes to a value within bounds: size, depth and number of
// values are limited before the value is believed, and metadata.managedFields, which is often half
// of an object and of no use here, is left out while it is read. And back again. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "kube/fields.h"

namespace aquifer::kube {

struct JsonLimits {
  size_t bytes = 8 << 20;
  size_t values = 200'000;
  int depth = 64;
};

Decoded<Json> ReadJson(std::string_view text, const JsonLimits& limits);
// As it is sent, in one line. What is not UTF-8 is replaced: the library would throw.
std::string WriteJson(const Json& value);

}  // namespace aquifer::kube
