#include "waypoint/filters/rewrite.h"

#include "waypoint/path.h"

namespace aquifer::waypoint {
namespace {

std::string_view WithoutLastSlash(std::string_view text) {
  if (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

std::string WithFirstSlash(std::string_view path) {
  return path.starts_with('/') ? std::string(path) : "/" + std::string(path);
}

}  // namespace

std::string ModifyPath(const PathModifier& modifier, const PathMatch& match,
                       std::string_view path) {
  switch (modifier.type) {
    case PathModifier::Type::kNone:
      break;
    case PathModifier::Type::kReplaceFullPath:
      return WithFirstSlash(modifier.value);
    case PathModifier::Type::kReplacePrefixMatch: {
      if (match.type != PathMatch::Type::kPrefix) break;  // refused when it was decoded
      const std::string_view prefix = WithoutLastSlash(match.value);
      // An earlier filter may have replaced the prefix already.
      if (!UpperCaseEscapes(path).starts_with(prefix)) break;
      const std::string_view rest = path.substr(prefix.size());
      return WithFirstSlash(std::string(WithoutLastSlash(modifier.value)) + std::string(rest));
    }
  }
  return std::string(path);
}

bool Rewrite(const UrlRewrite& rewrite, const PathMatch& match, http::RequestHead& head) {
  if (!rewrite.hostname.empty()) head.authority = rewrite.hostname;
  if (rewrite.path.type == PathModifier::Type::kNone) return true;
  const SplitTarget split = Split(head.path);
  std::string target = ModifyPath(rewrite.path, match, split.path);
  if (split.has_query) {
    target += '?';
    target += split.query;
  }
  if (!head.headers.Set("x-envoy-original-path", head.path)) return false;
  head.path = std::move(target);
  return true;
}

}  // namespace aquifer::waypoint
