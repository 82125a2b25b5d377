#include "waypoint/string_pattern.h"

#include "core/http/header.h"

namespace aquifer::waypoint {

StringPattern StringPattern::Parse(std::string_view text) {
  if (text == "*") return {Kind::kPresence, ""};
  // The leading star is looked at first, so "*a*" is a suffix that ends in a star (Istio's order).
  if (text.starts_with('*')) return {Kind::kSuffix, text.substr(1)};
  if (text.ends_with('*')) return {Kind::kPrefix, text.substr(0, text.size() - 1)};
  return {Kind::kExact, text};
}

bool StringPattern::Matches(std::string_view text) const {
  switch (kind_) {
    case Kind::kExact:
      return text == value_;
    case Kind::kPrefix:
      return text.starts_with(value_);
    case Kind::kSuffix:
      return text.ends_with(value_);
    case Kind::kPresence:
      return !text.empty();
  }
  return false;
}

bool StringPattern::MatchesIgnoreCase(std::string_view text) const {
  if (kind_ == Kind::kPresence) return !text.empty();
  if (text.size() < value_.size()) return false;
  if (kind_ == Kind::kPrefix) text = text.substr(0, value_.size());
  if (kind_ == Kind::kSuffix) text = text.substr(text.size() - value_.size());
  return http::EqualsIgnoreCase(text, value_);
}

}  // namespace aquifer::waypoint
