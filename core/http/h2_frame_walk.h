// Walks along the frames of an HTTP/2 connection (RFC 9113 section 4.1) beside the library that
// reads them, to see those that it passes over in silence. Bytes come in any pieces. Owned by an
// H2Session.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/base/bytes.h"

namespace aquifer::http {

class H2FrameWalk {
 public:
  // `preface_bytes` come before the first frame.
  explicit H2FrameWalk(std::size_t preface_bytes) : skip_(preface_bytes) {}

  // Calls `visit(type, payload_length)` for every frame whose header ends within `input`.
  template <class F>
  void Walk(Bytes input, F visit) {
    while (!input.empty()) {
      if (skip_ > 0) {
        const std::size_t skipped = std::min(skip_, input.size());
        skip_ -= skipped;
        input = input.subspan(skipped);
        continue;
      }
      const std::size_t taken = std::min(kHeader - filled_, input.size());
      std::copy_n(input.begin(), taken, header_.begin() + static_cast<std::ptrdiff_t>(filled_));
      filled_ += taken;
      input = input.subspan(taken);
      if (filled_ < kHeader) return;
      filled_ = 0;
      ByteReader reader{Bytes(header_)};
      skip_ = reader.U24();
      const std::uint8_t type = reader.U8();
      visit(type, skip_);
    }
  }

 private:
  static constexpr std::size_t kHeader = 9;

  std::size_t skip_;
  std::size_t filled_ = 0;
  std::array<std::uint8_t, kHeader> header_{};
};

}  // namespace aquifer::http
