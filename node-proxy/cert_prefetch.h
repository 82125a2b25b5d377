// Which certificates the node's proxy holds: those of the identities that run on this node. They
// are asked for when the first workload of an identity appears, before its first connection waits
// for one, and dropped when the last has left. The store bounds how many are asked for at a time
// and backs off by identity (certs/store.h). Owned by Proxy, on the control loop.
#pragma once

#include <cstdint>
#include <optional>

#include "certs/store.h"
#include "mesh/snapshot.h"

namespace aquifer::node {

class CertPrefetch {
 public:
  // `store` outlives this.
  explicit CertPrefetch(certs::CertStore& store) : store_(store) {}
  // After each new snapshot; costs nothing unless a workload of this node has changed.
  void Update(const mesh::Snapshot& snapshot);

 private:
  certs::CertStore& store_;
  std::optional<std::uint64_t> seen_;  // local_generation() of the last snapshot
};

}  // namespace aquifer::node
