// Which regular expressions of a route the data plane takes: RE2 syntax, bounded in pattern and
// program size, because who writes a route is not who pays for the proxy's memory. One place for
// the control plane, which says so in the route's status, and for the waypoint, which matches. Any
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace re2 {
class RE2;
}

namespace aquifer::mesh {

inline constexpr size_t kMaxRegexBytes = 1024;
inline constexpr int kMaxRegexInstructions = 4096;

struct RegexProblem {
  std::string why;         // "compiles to more than 4096 instructions"
  bool too_large = false;  // a regular expression, but beyond the bounds
};

Result<std::shared_ptr<const re2::RE2>, RegexProblem> CompileRegex(std::string_view pattern);

}  // namespace aquifer::mesh
