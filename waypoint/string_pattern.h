// The value forms of Istio's AuthorizationPolicy: "a*" is a prefix, "*a" a suffix, "*" presence,
// and anything else the exact string; a star inside is a plain character. A value, any thread.
#pragma once

#include <string>
#include <string_view>

namespace aquifer::waypoint {

class StringPattern {
 public:
  enum class Kind { kExact, kPrefix, kSuffix, kPresence };

  // Never fails: every text is one of the four forms. The empty text is the exact empty string.
  static StringPattern Parse(std::string_view text);

  // Presence asks for a non-empty `text`; where an empty one counts as present (header lines), the
  // caller looks at kind() first.
  bool Matches(std::string_view text) const;
  // ASCII case does not count: host names.
  bool MatchesIgnoreCase(std::string_view text) const;

  Kind kind() const { return kind_; }
  const std::string& value() const { return value_; }

  friend bool operator==(const StringPattern&, const StringPattern&) = default;

 private:
  StringPattern(Kind kind, std::string_view value) : kind_(kind), value_(value) {}

  Kind kind_;
  std::string value_;
};

}  // namespace aquifer::waypoint
