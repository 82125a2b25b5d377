#include "waypoint/path_template.h"

#include <algorithm>

namespace aquifer::waypoint {
namespace {

constexpr std::string_view kOneSegment = "{*}";
constexpr std::string_view kAnything = "{**}";

}  // namespace

bool PathTemplate::IsTemplate(std::string_view text) {
  return text.find(kOneSegment) != std::string_view::npos ||
         text.find(kAnything) != std::string_view::npos;
}

Decoded<PathTemplate> PathTemplate::Parse(std::string_view text, const std::string& field) {
  if (!text.starts_with('/')) return Refusal{field, "a path template starts with '/'"};
  PathTemplate parsed;
  parsed.literals_.emplace_back();
  while (!text.empty()) {
    const size_t end = std::min(text.find('/', 1), text.size());
    const std::string_view segment = text.substr(1, end - 1);
    parsed.literals_.back() += '/';
    if (segment == kOneSegment || segment == kAnything) {
      if (parsed.open_ended_) return Refusal{field, "an operator follows {**}"};
      parsed.open_ended_ = segment == kAnything;
      parsed.literals_.emplace_back();
    } else if (segment.find_first_of("{}*") != std::string_view::npos) {
      return Refusal{field, "a segment mixes an operator with other text"};
    } else {
      parsed.literals_.back() += segment;
    }
    text.remove_prefix(end);
  }
  return parsed;
}

bool PathTemplate::Matches(std::string_view path) const {
  for (size_t i = 0; i < literals_.size(); ++i) {
    const std::string& literal = literals_[i];
    const bool last = i + 1 == literals_.size();
    if (last && i > 0 && open_ended_) return path.ends_with(literal);
    if (!path.starts_with(literal)) return false;
    path.remove_prefix(literal.size());
    if (last) return path.empty();
    if (open_ended_ && i + 2 == literals_.size()) continue;  // {**} comes next
    const size_t segment = std::min(path.find('/'), path.size());
    if (segment == 0) return false;
    path.remove_prefix(segment);
  }
  return path.empty();
}

}  // namespace aquifer::waypoint
