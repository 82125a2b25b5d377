// Messages on a connection: two bytes of length before each (RFC 1035 4.2.2). Pure, any thread.
#pragma once

#include <string>

#include "core/base/bytes.h"

namespace aquifer::node::dns {

// Of the message at the start of `bytes`, which has both bytes of it.
inline std::size_t FrameBytes(std::string_view bytes) { return ByteReader(AsBytes(bytes)).U16(); }

inline bool FrameIsWhole(std::string_view bytes) {
  return bytes.size() >= 2 && bytes.size() - 2 >= FrameBytes(bytes);
}

// Takes the first message out of `bytes`, which has all of it.
inline std::string TakeFrame(std::string& bytes) {
  const std::size_t size = FrameBytes(bytes);
  std::string message = bytes.substr(2, size);
  bytes.erase(0, 2 + size);
  return message;
}

inline std::string Framed(std::string_view message) {
  std::string framed;
  ByteWriter(framed).U16(static_cast<std::uint16_t>(message.size()));
  return framed.append(message);
}

}  // namespace aquifer::node::dns
