#include "mesh/fields.h"

#include <algorithm>

namespace aquifer::mesh {

Result<void, Refusal> CheckName(std::string_view field, std::string_view value) {
  if (value.size() > kMaxNameBytes) {
    return Refusal{std::string(field), std::to_string(value.size()) + " bytes, more than " +
                                           std::to_string(kMaxNameBytes)};
  }
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(value.begin(), value.end(), control)) {
    return Refusal{std::string(field), "has a control character"};
  }
  return {};
}

Decoded<std::string> Name(std::string_view field, std::string_view value) {
  AQ_TRY_STATUS(CheckName(field, value));
  return std::string(value);
}

Decoded<Text> SharedName(Texts& texts, std::string_view field, std::string_view value) {
  AQ_TRY_STATUS(CheckName(field, value));
  return texts.Shared(value);
}

Decoded<std::string> MandatoryName(std::string_view field, std::string_view value) {
  if (value.empty()) return Refusal{std::string(field), "is empty"};
  return Name(field, value);
}

Decoded<std::uint16_t> PortNumber(std::string_view field, std::uint64_t value) {
  if (value > 65535) {
    return Refusal{std::string(field), std::to_string(value) + " is not a port"};
  }
  return static_cast<std::uint16_t>(value);
}

}  // namespace aquifer::mesh
