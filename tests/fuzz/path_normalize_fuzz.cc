// Path normalization (waypoint/path.h) on any bytes. What policies compare and what goes upstream
// must be one spelling: normalizing again changes nothing, no dot segment is left however it was
// written, and no control character or backslash either.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "waypoint/path.h"

using aquifer::waypoint::NormalizePath;
using aquifer::waypoint::NormalizeTarget;
using aquifer::waypoint::PathNormalization;

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

bool HasDotSegment(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment == "." || segment == "..") return true;
    path.remove_prefix(segment.size());
  }
  return false;
}

void Check(std::string_view path, PathNormalization how) {
  const auto once = NormalizePath(path, how);
  if (!once) return;
  Require(once->starts_with('/'));
  const auto twice = NormalizePath(*once, how);
  Require(twice.has_value() && *twice == *once);
  if (how == PathNormalization::kNone) return;
  Require(!HasDotSegment(*once));
  Require(once->find('\\') == std::string::npos);
  for (const char c : *once) Require(c > 0x20 && c < 0x7f);
  if (how == PathNormalization::kBase) return;
  Require(once->find("//") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const PathNormalization how :
       {PathNormalization::kBase, PathNormalization::kNone, PathNormalization::kMergeSlashes,
        PathNormalization::kDecodeAndMergeSlashes}) {
    Check(text, how);
    (void)NormalizeTarget(text, how);
  }
  return 0;
}
