#include "waypoint/field_check.h"

#include <algorithm>

#include "core/http/header.h"

namespace aquifer::waypoint {
namespace {

constexpr size_t kMaxNameBytes = 253;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

}  // namespace

std::string At(std::string_view field, int index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

Check CheckCount(int count, int max, const std::string& field) {
  if (count <= max) return {};
  return Refusal{field, std::to_string(count) + " entries, at most " + std::to_string(max)};
}

Check CheckText(std::string_view text, const std::string& field) {
  if (text.size() > kMaxTextBytes) return Refusal{field, "longer than 4096 bytes"};
  if (!http::IsFieldValue(text)) return Refusal{field, "holds a control character"};
  return {};
}

Check CheckName(std::string_view text, const std::string& field) {
  if (text.empty()) return Refusal{field, "is empty"};
  if (text.size() > kMaxNameBytes) return Refusal{field, "longer than 253 bytes"};
  if (!std::all_of(text.begin(), text.end(), IsNameCharacter)) {
    return Refusal{field, "is not the name of an object"};
  }
  return {};
}

Check CheckHostname(std::string_view text, const std::string& field) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  Check name = CheckName(text, field);
  if (!name.ok()) return name;
  if (text.front() == '.' || text.find("..") != std::string_view::npos) {
    return Refusal{field, "is not a host name"};
  }
  return {};
}

Check CheckHeaderName(std::string_view text, const std::string& field) {
  if (text.size() > kMaxNameBytes) return Refusal{field, "longer than 253 bytes"};
  if (!http::IsToken(text)) return Refusal{field, "is not a field name"};
  return {};
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return lower;
}

}  // namespace aquifer::waypoint
