#include "control/kube/cluster_reader.h"

#include <algorithm>
#include <utility>

#include "core/rt/timer.h"

namespace aquifer::control {
namespace {

constexpr Clock::duration kShortestPause = std::chrono::milliseconds(10);
constexpr Clock::duration kLongestPause = std::chrono::seconds(5);

}  // namespace

ClusterReader::ClusterReader(const ClusterAccess& access, Sink sink, obs::Logger& log,
                             const FollowOptions& options, std::uint64_t seed)
    : sink_(std::move(sink)), log_(log), client_(access, &certs::SystemWallTime) {
  for (const DecoderRow& row : Decoders()) {
    Followed& followed = followed_.emplace_back(*this, row, options, seed++);
    tasks_.Spawn(followed.follower.Run(stop_.token()));
  }
  tasks_.Spawn(HandOn(stop_.token()));
}

Task<void> ClusterReader::HandOn(StopToken stop) {
  while (co_await objects_.changed().Wait(stop)) {
    objects_.changed().Reset();
    if (!objects_.complete()) continue;
    const TimePoint start = Clock::now();
    sink_(objects_.Observe());
    const Clock::duration pause = std::clamp(Clock::now() - start, kShortestPause, kLongestPause);
    if (!co_await SleepFor(pause, stop)) co_return;
  }
}

Task<void> ClusterReader::End() {
  stop_.RequestStop();
  co_await tasks_.Join();
  co_await client_.Shutdown();
}

}  // namespace aquifer::control
