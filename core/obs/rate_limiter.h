// Lets through a bounded number of log lines a second and counts the others. One object for each
// place that logs what a peer can cause, a member of the part that logs. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace aquifer::obs {

class RateLimiter {
 public:
  explicit RateLimiter(std::uint32_t per_second) : per_second_(per_second) {}

  // The number left out since the last line that was let through, or empty: leave this one out.
  std::optional<std::uint64_t> Admit(std::chrono::system_clock::time_point now) {
    const auto second = std::chrono::floor<std::chrono::seconds>(now);
    const std::lock_guard lock(mutex_);
    // Not "later than": a clock that was set back must not silence the place.
    if (second != second_) {
      second_ = second;
      admitted_ = 0;
    }
    if (admitted_ >= per_second_) {
      ++left_out_;
      return std::nullopt;
    }
    ++admitted_;
    return std::exchange(left_out_, 0);
  }

 private:
  const std::uint32_t per_second_;
  std::mutex mutex_;
  std::chrono::sys_seconds second_{};
  std::uint32_t admitted_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace aquifer::obs
