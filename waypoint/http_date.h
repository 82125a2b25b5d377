// IMF-fixdate of RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". Formatted once a second
// at most. Owned by one worker, on its thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace aquifer::waypoint {

std::string FormatHttpDate(std::int64_t unix_seconds);

class HttpDate {
 public:
  // Good until the next call.
  std::string_view At(std::int64_t unix_seconds) {
    if (unix_seconds != seconds_ || text_.empty()) {
      seconds_ = unix_seconds;
      text_ = FormatHttpDate(unix_seconds);
    }
    return text_;
  }

 private:
  std::int64_t seconds_ = 0;
  std::string text_;
};

}  // namespace aquifer::waypoint
