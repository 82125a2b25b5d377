// JSON from outside, within bounds, with its keys in the order in which they were written: what is
// read here is often written back into a file of somebody else. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace aquifer::redirect {

using OrderedJson = nlohmann::ordered_json;

struct JsonBounds {
  size_t bytes = 1 << 20;
  // Keys of an ordered object are found by walking it, so this also bounds time.
  size_t values = 10'000;
  int depth = 32;  // writing goes down by calls
};

// One JSON object. The refusal has no field.
Decoded<OrderedJson> ReadOrderedJson(std::string_view text, const JsonBounds& bounds = {});

// The object's member, null if it is absent or JSON's null.
const OrderedJson* MemberOf(const OrderedJson& object, std::string_view key);
// Text of at most `max` bytes without control characters; empty if absent. The refusal's field is
// `key`.
Decoded<std::string> TextOf(const OrderedJson& object, std::string_view key, size_t max);

}  // namespace aquifer::redirect
