// The page of metrics, shared by those who read it at the same time. Making it takes the loop's
// time and a copy is as large as the node is busy: whoever asks while one is still being sent gets
// that one, unless it is older than a second. Nothing is kept when nobody reads. One thread: its
// Loop's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/io/chunk.h"
#include "core/obs/metrics.h"
#include "core/rt/timer_queue.h"

namespace aquifer::app {

class StatsPage {
 public:
  enum class Encoding : std::uint8_t { kPlain, kGzip };
  // At one moment, for as long as somebody holds it.
  struct Rendering {
    Chunk bytes;
    Encoding encoding = Encoding::kPlain;
    TimePoint made;
  };

  // `registry` outlives this. `more` gives families besides, without "# EOF".
  StatsPage(const obs::Registry& registry, std::function<std::string()> more)
      : registry_(registry), more_(std::move(more)) {}

  // Plain, too, if packing is not worth it.
  std::shared_ptr<const Rendering> Get(Encoding wanted);

 private:
  std::string Text() const;

  const obs::Registry& registry_;
  const std::function<std::string()> more_;
  std::array<std::weak_ptr<const Rendering>, 2> newest_;  // by what was wanted
};

}  // namespace aquifer::app
