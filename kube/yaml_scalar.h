// Small text questions of reading manifests: which type a plain YAML scalar has, whether bytes are
// UTF-8, and how to show foreign text in a message. Pure functions; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace aquifer::kube {

// The value of an unquoted scalar under the rules that kubectl's YAML reader follows (YAML 1.1
// booleans and octal numbers included).
nlohmann::json PlainScalar(const std::string& text);

bool IsUtf8(std::string_view bytes);

// At most 64 bytes of `text`, without anything that could break a log line.
std::string PrintableText(std::string_view text);

}  // namespace aquifer::kube
