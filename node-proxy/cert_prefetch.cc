#include "node-proxy/cert_prefetch.h"

#include "absl/container/flat_hash_set.h"

namespace aquifer::node {

void CertPrefetch::Update(const mesh::Snapshot& snapshot) {
  if (seen_ == snapshot.local_generation()) return;
  seen_ = snapshot.local_generation();
  absl::flat_hash_set<certs::Identity> here;
  snapshot.ForEachLocal([&here, this](const mesh::WorkloadRef& workload) {
    here.insert(workload->identity());
    // Who serves HBONE by itself has a certificate of its own.
    const bool ours =
        workload->protocol == mesh::TunnelProtocol::kHbone && !workload->native_tunnel;
    if (ours) store_.Request(workload->identity(), certs::Urgency::kPrefetch);
  });
  // Also those that a connection asked for while its workload was leaving.
  for (const certs::Identity& identity : store_.Identities()) {
    if (!here.contains(identity)) store_.Forget(identity);
  }
}

}  // namespace aquifer::node
