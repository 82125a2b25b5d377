// Turns what the control plane (or a local file) says, piece by piece, into snapshots. Pieces come
// in any order: endpoints may precede their service. A refused piece changes nothing, except that a
// refused policy becomes one that denies (mesh/decode.h). Belongs to the control loop: one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/base/result.h"
#include "mesh/proto/authorization.pb.h"
#include "mesh/proto/workload.pb.h"
#include "mesh/snapshot.h"
#include "mesh/tables.h"

namespace aquifer::mesh {

struct BuilderOptions {
  // Whose workloads FindLocal knows: those of this node, or all if it is empty.
  std::string local_node;
};

class Builder {
 public:
  explicit Builder(BuilderOptions options = {}) : options_(std::move(options)) {}
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  // --- resources by name, as discovery has them ---
  Result<void, Refusal> PutAddress(std::string_view name, const istio::workload::Address& message);
  Result<void, Refusal> PutAddress(std::string_view name, const istio::workload::Workload& message);
  Result<void, Refusal> PutAddress(std::string_view name, const istio::workload::Service& message);
  Result<void, Refusal> PutAuthorization(std::string_view name,
                                         const istio::security::Authorization& message);
  // A policy resource whose bytes are not even a message.
  void PutUnreadablePolicy(std::string_view name);
  // Unknown names are no error: the control plane may speak of what we refused.
  void RemoveAddress(std::string_view name);
  void RemovePolicy(std::string_view name);

  // --- model values ---
  void Put(Workload workload);
  void Put(Service service);
  void Put(Policy policy);

  // The state after all of the above. The same snapshot again if nothing has changed.
  SnapshotRef Build();

 private:
  struct EndpointChange {
    Text uid;
    std::size_t order = 0;  // of several for one uid the last holds
    Endpoint endpoint;      // no workload: gone
  };
  using EndpointChanges = std::vector<EndpointChange>;

  void IndexWorkload(const WorkloadRef& workload);
  void UnindexWorkload(const Workload& workload);
  bool IsLocal(const Workload& workload) const;
  // Under which FindLocal has it, if at all.
  std::optional<LocalName> LocalNameOf(const Workload* workload) const;
  void NoteWorkloadChange(const Workload* before, const Workload* after);

  void IndexService(const ServiceRef& service);
  void UnindexService(const Service& service);
  void CountPrefix(const NetworkCidr& cidr, int change);
  void NoteEndpoint(const NamespacedHostname& service, const Text& uid, Endpoint endpoint);
  void ApplyEndpointChanges();
  void RebuildMembers(const NamespacedHostname& name, EndpointChanges& changes);
  static void KeepLast(EndpointChanges& changes);
  static std::vector<Endpoint> Merge(std::span<const Endpoint> before,
                                     const EndpointChanges& changes);

  void IndexPolicy(const PolicyRef& policy);
  void UnindexPolicy(const PolicyRef& policy);
  void ForgetRemovedPolicy(std::string_view key);

  const BuilderOptions options_;
  Texts texts_;
  Tables tables_;
  absl::flat_hash_map<NamespacedHostname, EndpointChanges> endpoint_changes_;
  std::deque<std::string> removed_policies_;  // oldest first; bounded
  SnapshotRef current_;
  bool changed_ = true;
  std::uint64_t generation_ = 0;
  std::uint64_t policy_generation_ = 0;
  std::uint64_t local_generation_ = 0;
};

}  // namespace aquifer::mesh
