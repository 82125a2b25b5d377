// Cuts a stream of bytes into lines of bounded length, for output that comes from several places at
// once. A line that is longer comes in parts. Pure; one thread.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aquifer::cli {

class LineCutter {
 public:
  explicit LineCutter(size_t max_bytes = 16 << 10) : max_bytes_(max_bytes) {}

  // The lines that are whole now, without their ends.
  std::vector<std::string> Feed(std::string_view bytes) {
    std::vector<std::string> lines;
    while (!bytes.empty()) {
      const size_t room = max_bytes_ - rest_.size();
      const size_t end = bytes.substr(0, room).find('\n');
      const bool whole = end != std::string_view::npos;
      const size_t taken = whole ? end : std::min(room, bytes.size());
      rest_.append(bytes.substr(0, taken));
      bytes.remove_prefix(taken + (whole ? 1 : 0));
      if (!whole && rest_.size() < max_bytes_) break;
      lines.push_back(std::move(rest_));
      rest_.clear();
    }
    return lines;
  }
  // What is left when the stream has ended.
  std::string Finish() { return std::exchange(rest_, {}); }

 private:
  const size_t max_bytes_;
  std::string rest_;
};

}  // namespace aquifer::cli
