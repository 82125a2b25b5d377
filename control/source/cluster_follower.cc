#include "control/source/cluster_follower.h"

#include <random>
#include <utility>

namespace aquifer::control {

ClusterFollower::ClusterFollower(ClusterAccess access, Sink sink, obs::Logger& log)
    : access_(std::move(access)), sink_(std::move(sink)), log_(log) {}

ClusterFollower::~ClusterFollower() {
  if (thread_ == nullptr) return;
  thread_->Post([](ClusterReader& reader) { reader.finished.Set(); });
  thread_.reset();
}

Status ClusterFollower::Start() {
  const auto make = [this] {
    std::random_device seed;
    return std::make_unique<ClusterReader>(access_, sink_, log_, FollowOptions(), seed());
  };
  AQ_TRY(thread_, WorkerThread<ClusterReader>::Start("cluster", make));
  return {};
}

}  // namespace aquifer::control
