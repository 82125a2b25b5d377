// The body of a watch (Kubernetes API, "Efficient detection of changes"): one JSON object a line,
// {"type": ..., "object": ...}. Bytes in, events out, however they were cut; a line that is too
// long or is no event ends the reading, because what was lost with it is unknown: the reader's
// owner lists again. No I/O; one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kube/json_text.h"

namespace aquifer::kube {

struct WatchEvent {
  enum class Type : std::uint8_t { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type = Type::kBookmark;
  Json object;  // a mapping; of kError a Status
};

class WatchReader {
 public:
  explicit WatchReader(const JsonLimits& limits = {}) : limits_(limits) {}

  // More bytes, once Next has nothing more.
  void Feed(std::string_view bytes);
  // The next event, or nothing before its line is whole.
  Decoded<std::optional<WatchEvent>> Next();
  // Whether the bytes so far end with a line.
  bool between_events() const { return begin_ == buffer_.size(); }

 private:
  Decoded<std::optional<WatchEvent>> ReadLine(std::string_view line);

  const JsonLimits limits_;
  std::string buffer_;
  size_t begin_ = 0;    // of what has not been returned
  size_t scanned_ = 0;  // no line ends before this
};

// metadata.resourceVersion, which is opaque text; "" if there is none that can be sent back.
std::string ResourceVersionOf(const Json& object);

}  // namespace aquifer::kube
