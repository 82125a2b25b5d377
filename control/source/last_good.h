// Remembers the manifest files that were read without a refusal, as copies in a directory of our
// own, so that a mistake in a file costs no policy even if it is there when the process starts.
// Writing is best effort: what cannot be remembered is reported and works all the same. Blocking;
// the thread of the ManifestDirectory.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace aquifer::control {

class LastGood {
 public:
  // An empty path: remembers nothing.
  explicit LastGood(std::string directory) : directory_(std::move(directory)) {}

  std::optional<std::string> Recall(const std::string& file) const;
  Status Remember(const std::string& file, std::string_view text) const;
  // Of the files that are remembered.
  std::set<std::string> Names() const;
  // Forgets every file that is not among `files`.
  void KeepOnly(const std::set<std::string>& files) const;

 private:
  const std::string directory_;
};

}  // namespace aquifer::control
