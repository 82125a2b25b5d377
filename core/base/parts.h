// A bounded number of things, of which many may have some and none so many that the others find
// none: who wants another gets it as long as its own part is less than twice what is still free.
// Alone it gets two thirds of all there is, two that want everything two fifths each, and whoever
// comes after them finds room.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <absl/container/flat_hash_map.h>

#include "core/base/check.h"

namespace aquifer {

// Whether who has `own` of the `all` that are taken, out of `most`, may take another.
constexpr bool MayTakeAnother(std::size_t own, std::size_t all, std::size_t most) {
  return own < 2 * (most - std::min(all, most));
}

// The same with names, for one thread. Who has nothing costs nothing.
class Parts {
 public:
  explicit Parts(std::size_t most) : most_(most) {}

  bool TryTake(const std::string& who) {
    const auto found = taken_.find(who);
    if (!MayTakeAnother(found == taken_.end() ? 0 : found->second, all_, most_)) return false;
    ++taken_[who];
    ++all_;
    return true;
  }
  void Give(const std::string& who) {
    const auto found = taken_.find(who);
    AQ_CHECK(found != taken_.end());
    --all_;
    if (--found->second == 0) taken_.erase(found);
  }

 private:
  const std::size_t most_;
  std::size_t all_ = 0;
  absl::flat_hash_map<std::string, std::size_t> taken_;
};

}  // namespace aquifer
