// The first bytes of a TLS client, made by hand.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "core/base/bytes.h"

namespace aquifer::test {

inline std::string Record(std::string_view fragment) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.U8(22);
  writer.U16(0x0301);
  writer.U16(static_cast<std::uint16_t>(fragment.size()));
  return bytes.append(fragment);
}

inline std::string ServerNameExtension(std::string_view name) {
  std::string bytes;
  ByteWriter writer(bytes);
  const auto size = static_cast<std::uint16_t>(name.size());
  writer.U16(0);
  writer.U16(size + 5);
  writer.U16(size + 3);
  writer.U8(0);
  writer.U16(size);
  return bytes.append(name);
}

// A handshake message with these extensions.
inline std::string HelloMessage(std::initializer_list<std::string> extensions) {
  std::string all;
  for (const std::string& extension : extensions) all += extension;
  std::string body;
  ByteWriter writer(body);
  writer.U16(0x0303);
  body.append(32, 'r');
  writer.U8(0);
  writer.U16(2);
  writer.U16(0x1301);
  writer.U8(1);
  writer.U8(0);
  writer.U16(static_cast<std::uint16_t>(all.size()));
  body += all;
  std::string message;
  ByteWriter header(message);
  header.U8(1);
  header.U24(static_cast<std::uint32_t>(body.size()));
  return message + body;
}

// The whole of it; an empty name is not said.
inline std::string HelloFor(std::string_view name) {
  return Record(name.empty() ? HelloMessage({}) : HelloMessage({ServerNameExtension(name)}));
}

}  // namespace aquifer::test
