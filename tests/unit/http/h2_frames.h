// HTTP/2 frames by hand (RFC 9113 section 4.1), for tests that say what no library would: HPACK as
// literals without indexing only.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"

namespace aquifer::test {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr std::uint8_t kEndStream = 0x1;
inline constexpr std::uint8_t kAck = 0x1;
inline constexpr std::uint8_t kEndHeaders = 0x4;

enum FrameType : std::uint8_t {
  kData,
  kHeaders,
  kPriority,
  kRstStream,
  kSettings,
  kPushPromise,
  kPing,
  kGoAway,
  kWindowUpdate,
  kContinuation
};

inline std::string Frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload) {
  std::string out;
  ByteWriter writer(out);
  writer.U24(static_cast<std::uint32_t>(payload.size()));
  writer.U8(type);
  writer.U8(flags);
  writer.U32(stream);
  writer.Raw(AsBytes(payload));
  return out;
}

inline std::string U32(std::uint32_t value) {
  std::string out;
  ByteWriter(out).U32(value);
  return out;
}

// An HPACK string without Huffman coding (RFC 7541 section 5.2).
inline std::string HpackString(std::string_view text) {
  std::string out;
  std::size_t rest = text.size();
  if (rest < 127) {
    out.push_back(static_cast<char>(rest));
  } else {
    out.push_back(127);
    for (rest -= 127; rest >= 128; rest >>= 7) out.push_back(static_cast<char>(128 | (rest & 127)));
    out.push_back(static_cast<char>(rest));
  }
  return out.append(text);
}

using Fields = std::vector<std::pair<std::string, std::string>>;

inline std::string Hpack(const Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out.push_back(0);
    out += HpackString(name) + HpackString(value);
  }
  return out;
}

inline std::string Headers(std::uint32_t stream, const Fields& fields, std::uint8_t flags = 0) {
  return Frame(kHeaders, flags | kEndHeaders, stream, Hpack(fields));
}

inline std::string ConnectHeaders(std::uint32_t stream, std::string authority = "10.0.0.1:80") {
  return Headers(stream, {{":method", "CONNECT"}, {":authority", std::move(authority)}});
}

inline std::string ClientHello() { return std::string(kPreface) + Frame(kSettings, 0, 0, ""); }

// One line a frame: what went to the wire, without the payload of DATA and HEADERS.
inline std::string Describe(std::string_view wire) {
  static constexpr const char* kNames[] = {
      "DATA",         "HEADERS", "PRIORITY", "RST_STREAM",    "SETTINGS",
      "PUSH_PROMISE", "PING",    "GOAWAY",   "WINDOW_UPDATE", "CONTINUATION"};
  std::string told;
  ByteReader reader(AsBytes(wire));
  while (reader.left() > 0) {
    const std::uint32_t length = reader.U24();
    const std::uint8_t type = reader.U8();
    const std::uint8_t flags = reader.U8();
    const std::uint32_t stream = reader.U32();
    ByteReader payload(reader.Take(length));
    if (!reader.ok()) return told + "cut\n";
    told += type < 10 ? kNames[type] : "UNKNOWN";
    if (stream != 0) told += " " + std::to_string(stream);
    if (type == kData) told += " " + std::to_string(length);
    if (type == kRstStream || type == kWindowUpdate)
      told += " code " + std::to_string(payload.U32());
    if (type == kGoAway) {
      payload.U32();
      told += " code " + std::to_string(payload.U32());
    }
    if (type == kData || type == kHeaders) told += (flags & kEndStream) != 0 ? " end" : "";
    if (type == kSettings || type == kPing) told += (flags & kAck) != 0 ? " ack" : "";
    told += "\n";
  }
  return told;
}

}  // namespace aquifer::test
