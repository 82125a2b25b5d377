// Counts the messages in the body of a gRPC call (its protocol's Length-Prefixed-Message: a flag,
// four bytes of length, the message), whatever parts the body comes in. One direction of one call.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"

namespace aquifer::waypoint {

class GrpcMessages {
 public:
  void Take(Bytes body) {
    while (!body.empty()) {
      if (left_ > 0) {
        const std::size_t skip =
            left_ < body.size() ? static_cast<std::size_t>(left_) : body.size();
        left_ -= skip;
        body = body.subspan(skip);
        continue;
      }
      if (prefix_ > 0) length_ = length_ << 8 | body.front();
      body = body.subspan(1);
      if (++prefix_ < kPrefix) continue;
      ++count_;
      left_ = length_;
      prefix_ = 0;
      length_ = 0;
    }
  }
  // Of which at least the prefix was seen.
  std::uint64_t count() const { return count_; }

 private:
  static constexpr int kPrefix = 5;

  int prefix_ = 0;  // bytes of the prefix that have been seen
  std::uint32_t length_ = 0;
  std::uint64_t left_ = 0;  // of the message
  std::uint64_t count_ = 0;
};

}  // namespace aquifer::waypoint
