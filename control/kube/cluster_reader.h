// Reads a cluster: one connection, a follower for each kind, and what they find handed on as one
// Observation. Nothing is handed on before every kind is known, because a mesh without its policies
// is open; later changes are handed on together, so that a storm of them costs half of a thread.
// Lives on the loop that makes it; End() is awaited before destruction.
#pragma once

#include <functional>
#include <list>

#include "control/kube/client.h"
#include "control/kube/cluster_kind.h"
#include "core/rt/scope.h"

namespace aquifer::control {

class ClusterReader {
 public:
  using Sink = std::function<void(Observation)>;

  // `log` outlives the reader. Begins at once.
  ClusterReader(const ClusterAccess& access, Sink sink, obs::Logger& log,
                const FollowOptions& options, std::uint64_t seed);

  // Stops what runs and waits for it.
  Task<void> End();

  // For WorkerThread: set when the reader is to end.
  Event finished;

 private:
  struct Followed {
    Followed(ClusterReader& reader, const DecoderRow& row, const FollowOptions& options,
             std::uint64_t seed)
        : kind(row, reader.objects_),
          follower(SpecOf(row), reader.client_, kind, reader.log_, options, seed) {}

    ClusterKind kind;
    KindFollower follower;
  };

  Task<void> HandOn(StopToken stop);

  const Sink sink_;
  obs::Logger& log_;
  StopSource stop_;
  ApiClient client_;
  ClusterObjects objects_;
  std::list<Followed> followed_;
  Scope tasks_;
};

}  // namespace aquifer::control
