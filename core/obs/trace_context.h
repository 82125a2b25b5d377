// The traceparent header of W3C Trace Context (section 3.2): read, made and handed on. Values, any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace aquifer::obs {

// 64 random bits a call.
using RandomBits = std::function<std::uint64_t()>;

struct TraceContext {
  static constexpr size_t kHeaderLength = 55;
  static constexpr std::uint8_t kSampled = 1;

  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> parent_id{};
  std::uint8_t flags = 0;

  // "00-<32 hex>-<16 hex>-<2 hex>", lower case, neither id zero; a version from 01 to fe of the
  // same length is read as 00.
  static std::optional<TraceContext> Parse(std::string_view header);
  // A trace of its own, not sampled.
  static TraceContext Make(const RandomBits& random);

  // What the next hop is sent: the same trace with a parent of its own. Flags that version 00 does
  // not define are cleared.
  TraceContext Child(const RandomBits& random) const;
  std::string ToString() const;
  // The trace id in hex, as logs show it.
  std::string TraceId() const;

  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

}  // namespace aquifer::obs
