#include "core/obs/trace_context.h"

#include <algorithm>
#include <span>

namespace aquifer::obs {
namespace {

// Bits of trace-flags that are defined: sampled, and the random trace id of level 2.
constexpr std::uint8_t kDefinedFlags = 0x03;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  // Upper case is not allowed (section 3.2.2).
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool ReadHex(std::string_view text, std::span<std::uint8_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const int high = HexDigit(text[2 * i]);
    const int low = HexDigit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

void AppendHex(std::string& out, std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 0xF];
  }
}

bool IsZero(std::span<const std::uint8_t> id) {
  return std::ranges::all_of(id, [](std::uint8_t byte) { return byte == 0; });
}

void FillId(std::span<std::uint8_t> id, const RandomBits& random) {
  for (size_t i = 0; i < id.size(); i += 8) {
    const std::uint64_t bits = random();
    for (size_t j = 0; j < 8; ++j) id[i + j] = static_cast<std::uint8_t>(bits >> (8 * j));
  }
  // Zero means "no id" (section 3.2.2.3).
  if (IsZero(id)) id.back() = 1;
}

}  // namespace

std::optional<TraceContext> TraceContext::Parse(std::string_view header) {
  if (header.size() != kHeaderLength || header[2] != '-' || header[35] != '-' || header[52] != '-')
    return std::nullopt;
  TraceContext context;
  std::uint8_t version = 0;
  const bool is_hex = ReadHex(header, {&version, 1}) &&
                      ReadHex(header.substr(3), context.trace_id) &&
                      ReadHex(header.substr(36), context.parent_id) &&
                      ReadHex(header.substr(53), {&context.flags, 1});
  if (!is_hex || version == 0xFF || IsZero(context.trace_id) || IsZero(context.parent_id))
    return std::nullopt;
  return context;
}

TraceContext TraceContext::Make(const RandomBits& random) {
  TraceContext context;
  FillId(context.trace_id, random);
  FillId(context.parent_id, random);
  return context;
}

TraceContext TraceContext::Child(const RandomBits& random) const {
  TraceContext child = *this;
  FillId(child.parent_id, random);
  child.flags &= kDefinedFlags;
  return child;
}

std::string TraceContext::ToString() const {
  std::string header = "00-";
  AppendHex(header, trace_id);
  header += '-';
  AppendHex(header, parent_id);
  header += '-';
  AppendHex(header, {&flags, 1});
  return header;
}

std::string TraceContext::TraceId() const {
  std::string text;
  AppendHex(text, trace_id);
  return text;
}

}  // namespace aquifer::obs
