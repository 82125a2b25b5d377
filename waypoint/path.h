// The path of a request: split from query and fragment, and brought into the one spelling that
// policies and routes compare and that goes upstream (RFC 3986 section 6.2.2; Istio's
// meshConfig.pathNormalization). What a policy has seen is what the application gets, so that no
// second spelling gets past a rule. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aquifer::waypoint {

enum class PathNormalization : std::uint8_t {
  kBase,                  // dot segments, escapes of unreserved characters, '\' is '/'
  kNone,                  // as it came
  kMergeSlashes,          // base, then runs of '/' become one
  kDecodeAndMergeSlashes  // %2F and %5C become '/' first
};

struct SplitTarget {
  std::string_view path;
  std::string_view query;  // without '?'
  bool has_query = false;  // "/a?" has one, and it is empty
};

// Cuts an origin-form target at '?' and drops a fragment.
SplitTarget Split(std::string_view target);

// Empty when no server should be shown such a path: an escaped or raw NUL, or a control character.
// The result starts with '/'.
std::optional<std::string> NormalizePath(std::string_view path, PathNormalization how);

// Two escapes that differ in the case of their digits are one (RFC 3986 section 6.2.2.1): rules
// compare this spelling, of requests and of their own values, while a request goes on as its client
// wrote it. As long as `text`, and every prefix of the result is that of a prefix.
std::string UpperCaseEscapes(std::string_view text);
// The same in a regular expression, whose bracketed classes name characters and not escapes.
std::string UpperCaseEscapesOfPattern(std::string_view pattern);

// Path and query of a target that way, put together again.
std::optional<std::string> NormalizeTarget(std::string_view target, PathNormalization how);

}  // namespace aquifer::waypoint
