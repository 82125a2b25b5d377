#include "waypoint/client_hello.h"

#include <optional>

#include "waypoint/field_check.h"

namespace aquifer::waypoint {
namespace {

constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kMajorVersion = 3;
constexpr std::uint8_t kClientHello = 1;
constexpr std::uint16_t kServerName = 0;  // of extensions
constexpr std::uint8_t kHostName = 0;     // of server names
constexpr std::size_t kHeader = 4;        // of a handshake message
constexpr std::size_t kMaxHello = 16 * 1024;
// Clients cut a hello into two or three; whoever sends it byte by byte wants us to work.
constexpr int kMaxRecords = 16;

ClientHello Refused() { return {}; }
ClientHello Incomplete() { return {.state = ClientHello::State::kIncomplete, .server_name = {}}; }

// The one host name of the extension; nothing if the extension is malformed.
std::optional<std::string> HostNameOf(Bytes extension) {
  ByteReader reader(extension);
  ByteReader names(reader.Take(reader.U16()));
  if (!reader.ok() || reader.left() > 0) return std::nullopt;
  if (names.U8() != kHostName) return std::nullopt;
  const std::string_view name = AsText(names.Take(names.U16()));
  if (!names.ok() || names.left() > 0 || !CheckName(name, "").ok()) return std::nullopt;
  // RFC 6066 has no such name; servers that take the dot away would serve past what names it.
  if (name.ends_with('.')) return std::nullopt;
  return LowerCase(name);
}

ClientHello ReadExtensions(Bytes extensions) {
  ClientHello hello{.state = ClientHello::State::kComplete, .server_name = {}};
  ByteReader reader(extensions);
  bool named = false;
  while (reader.ok() && reader.left() > 0) {
    const std::uint16_t type = reader.U16();
    const Bytes body = reader.Take(reader.U16());
    if (!reader.ok()) return Refused();
    if (type != kServerName) continue;
    std::optional<std::string> name = HostNameOf(body);
    // With two of them the one behind us might believe the other.
    if (!name || named) return Refused();
    named = true;
    hello.server_name = *std::move(name);
  }
  return hello;
}

ClientHello ReadBody(Bytes body) {
  ByteReader reader(body);
  reader.U16();               // legacy_version
  reader.Take(32);            // random
  reader.Take(reader.U8());   // legacy_session_id
  reader.Take(reader.U16());  // cipher_suites
  reader.Take(reader.U8());   // legacy_compression_methods
  if (!reader.ok()) return Refused();
  if (reader.left() == 0) return ReadExtensions({});
  const Bytes extensions = reader.Take(reader.U16());
  if (!reader.ok() || reader.left() > 0) return Refused();
  return ReadExtensions(extensions);
}

// What has come of the message, whose end is looked for only as far as it says itself.
ClientHello ReadMessage(std::string_view message) {
  ByteReader reader(AsBytes(message));
  if (message.empty()) return Incomplete();
  if (reader.U8() != kClientHello) return Refused();
  if (message.size() < kHeader) return Incomplete();
  const std::uint32_t length = reader.U24();
  if (length > kMaxHello) return Refused();
  if (reader.left() < length) return Incomplete();
  return ReadBody(reader.Take(length));
}

}  // namespace

ClientHello ReadClientHello(Bytes bytes) {
  std::string message;
  for (int records = 0; records < kMaxRecords; ++records) {
    ByteReader reader(bytes);
    if (bytes.empty()) return Incomplete();
    if (reader.U8() != kHandshakeRecord) return Refused();
    if (reader.left() > 0 && reader.U8() != kMajorVersion) return Refused();
    reader.U8();
    const std::uint16_t length = reader.U16();
    if (!reader.ok()) return Incomplete();
    if (length == 0 || length > kMaxHello) return Refused();
    const bool whole = reader.left() >= length;
    message.append(AsText(reader.Take(whole ? length : reader.left())));
    ClientHello hello = ReadMessage(message);
    if (hello.state != ClientHello::State::kIncomplete || !whole) return hello;
    bytes = bytes.subspan(bytes.size() - reader.left());
  }
  return Refused();
}

}  // namespace aquifer::waypoint
