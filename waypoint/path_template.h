// Path templates of AuthorizationPolicy: "{*}" is one non-empty segment, "{**}" any text with or
// without slashes. A value, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace aquifer::waypoint {

class PathTemplate {
 public:
  // Whether a policy's path means a template at all; all others are string patterns.
  static bool IsTemplate(std::string_view text);
  // Operators stand alone in their segment, nothing follows "{**}" but literal text, and neither
  // stars nor braces appear elsewhere.
  static Decoded<PathTemplate> Parse(std::string_view text, const std::string& field);

  bool Matches(std::string_view path) const;

 private:
  // Literal texts with one operator between each two: "{*}", except for the last if `open_ended_`.
  std::vector<std::string> literals_;
  bool open_ended_ = false;
};

}  // namespace aquifer::waypoint
