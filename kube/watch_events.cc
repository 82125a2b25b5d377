#include "kube/watch_events.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kube/yaml_scalar.h"

namespace aquifer::kube {
namespace {

using Type = WatchEvent::Type;

constexpr std::array<std::pair<std::string_view, Type>, 5> kTypes = {{
    {"ADDED", Type::kAdded},
    {"MODIFIED", Type::kModified},
    {"DELETED", Type::kDeleted},
    {"BOOKMARK", Type::kBookmark},
    {"ERROR", Type::kError},
}};

// It goes into the query of the next request as it is.
bool IsResourceVersion(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
  });
}

}  // namespace

void WatchReader::Feed(std::string_view bytes) {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
  }
  buffer_.append(bytes);
}

Decoded<std::optional<WatchEvent>> WatchReader::Next() {
  while (true) {
    const size_t end = buffer_.find('\n', scanned_);
    const size_t line_bytes = std::min(end, buffer_.size()) - begin_;
    if (line_bytes > limits_.bytes)
      return Refusal{"", "an event is larger than " + std::to_string(limits_.bytes) + " bytes"};
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      return std::optional<WatchEvent>();
    }
    const std::string_view line(buffer_.data() + begin_, line_bytes);
    begin_ = scanned_ = end + 1;
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) return ReadLine(line);
  }
}

Decoded<std::optional<WatchEvent>> WatchReader::ReadLine(std::string_view line) {
  AQ_TRY(Json value, ReadJson(line, limits_));
  if (!value.is_object()) return Refusal{"", "an event is not a mapping"};
  const auto type = value.find("type");
  if (type == value.end() || !type->is_string()) return Refusal{"type", "is required"};
  const auto& word = type->get_ref<const std::string&>();
  const auto* known = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const auto& each) { return each.first == word; });
  if (known == kTypes.end())
    return Refusal{"type", "\"" + PrintableText(word) + "\" is none of a watch"};
  const auto object = value.find("object");
  if (object == value.end() || !object->is_object()) return Refusal{"object", "is not a mapping"};
  return std::optional<WatchEvent>(WatchEvent{known->second, std::move(*object)});
}

std::string ResourceVersionOf(const Json& object) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return "";
  const auto version = metadata->find("resourceVersion");
  if (version == metadata->end() || !version->is_string()) return "";
  const auto& text = version->get_ref<const std::string&>();
  return IsResourceVersion(text) ? text : "";
}

}  // namespace aquifer::kube
