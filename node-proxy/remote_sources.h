// Clients of other networks, as their baggage describes them: their addresses say nothing here.
// Only for labels and logs, and believed only as far as the authenticated identity allows: the
// namespace must be the identity's. Since labels become metric series, one identity may describe
// itself in a few ways an hour and no more. One pod's, on its worker's loop.
#pragma once

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "certs/identity.h"
#include "core/rt/timer_queue.h"
#include "hbone/baggage.h"
#include "mesh/workload.h"

namespace aquifer::node {

class RemoteSources {
 public:
  static constexpr std::size_t kMaxIdentities = 1024;
  static constexpr std::size_t kMaxDescriptions = 16;  // of one identity
  static constexpr std::size_t kMaxTextBytes = 253;  // of one value: Kubernetes has no longer names

  // Null when it is not to be believed. Connections that say the same share the answer.
  mesh::WorkloadRef Find(const certs::Identity& peer, const hbone::Baggage& said, TimePoint now);

 private:
  struct Known {
    TimePoint since;
    std::vector<mesh::WorkloadRef> descriptions;
  };
  bool MakeRoom(TimePoint now);

  absl::flat_hash_map<certs::Identity, Known> known_;
};

}  // namespace aquifer::node
