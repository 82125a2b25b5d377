// Follows a cluster on a thread of its own, because decoding and reconciling thousands of objects
// must not keep the servers' loop. Owned by main(); the sink runs on the follower's thread.
#pragma once

#include <memory>

#include "control/kube/cluster_reader.h"
#include "control/source/follower.h"
#include "core/rt/worker_thread.h"

namespace aquifer::control {

class ClusterFollower final : public Follower {
 public:
  using Sink = ClusterReader::Sink;

  // `log` outlives the follower.
  ClusterFollower(ClusterAccess access, Sink sink, obs::Logger& log);
  // Stops and joins.
  ~ClusterFollower() override;

  // An error if there can be no such thread. Once.
  Status Start() override;

 private:
  const ClusterAccess access_;
  const Sink sink_;
  obs::Logger& log_;
  std::unique_ptr<WorkerThread<ClusterReader>> thread_;
};

}  // namespace aquifer::control
