// Bounded big-endian reading and writing of wire formats. A reader never goes past its end: once it
// has failed it stays failed, so a parser checks once at the end. Views only; the bytes belong to
// the caller. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace aquifer {

using Bytes = std::span<const std::uint8_t>;

inline Bytes AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size(); }
  std::uint8_t U8() { return static_cast<std::uint8_t>(Number(1)); }
  std::uint16_t U16() { return static_cast<std::uint16_t>(Number(2)); }
  std::uint32_t U24() { return static_cast<std::uint32_t>(Number(3)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Number(4)); }
  std::uint64_t U64() { return Number(8); }
  // The next `count` bytes, or empty and failed.
  Bytes Take(size_t count) {
    if (!ok_ || count > bytes_.size()) {
      ok_ = false;
      return {};
    }
    const Bytes taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }

 private:
  std::uint64_t Number(size_t count) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : Take(count)) value = value << 8 | byte;
    return value;
  }

  Bytes bytes_;
  bool ok_ = true;
};

// Appends big-endian numbers and raw bytes to a string, the project's growable byte container on
// cold paths.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void U8(std::uint8_t v) { Number(v, 1); }
  void U16(std::uint16_t v) { Number(v, 2); }
  void U24(std::uint32_t v) { Number(v, 3); }
  void U32(std::uint32_t v) { Number(v, 4); }
  void Raw(Bytes bytes) { out_.append(AsText(bytes)); }

 private:
  void Number(std::uint64_t value, int count) {
    for (int shift = (count - 1) * 8; shift >= 0; shift -= 8)
      out_.push_back(static_cast<char>(value >> shift));
  }

  std::string& out_;
};

}  // namespace aquifer
