// Workloads into the tables: by uid, address, hostname, and by name for those of this node.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "mesh/builder.h"

namespace aquifer::mesh {
namespace {

// How much to believe a workload's claim to an address. A pod cannot be made up by users as easily
// as a WorkloadEntry, and what is in the mesh is described better than what is not.
int ClaimRank(const Workload& workload) {
  const bool pod = workload.uid.find("//Pod/") != std::string::npos;
  const bool hbone = workload.protocol == TunnelProtocol::kHbone;
  return (pod ? 2 : 0) + (hbone ? 1 : 0);
}

// Of equal claims the latest goes first.
template <class Key>
void AddClaim(KeyedTable<Key, Workloads>& table, const Key& key, const WorkloadRef& workload) {
  Workloads& claims = Edit(table, key);
  const auto same = [&](const WorkloadRef& w) { return w->uid == workload->uid; };
  if (std::any_of(claims.begin(), claims.end(), same)) return;
  const auto weaker = [&](const WorkloadRef& w) { return ClaimRank(*w) <= ClaimRank(*workload); };
  claims.insert(std::find_if(claims.begin(), claims.end(), weaker), workload);
}

template <class Key>
void DropClaim(KeyedTable<Key, Workloads>& table, const Key& key, const Text& uid) {
  if (table.Find(key) == nullptr) return;
  Workloads& claims = Edit(table, key);
  const auto same = [&](const WorkloadRef& w) { return w->uid == uid; };
  claims.erase(std::remove_if(claims.begin(), claims.end(), same), claims.end());
  if (claims.empty()) table.Erase(key);
}

}  // namespace

bool Builder::IsLocal(const Workload& workload) const {
  return options_.local_node.empty() || workload.node == options_.local_node;
}

std::optional<LocalName> Builder::LocalNameOf(const Workload* workload) const {
  if (workload == nullptr || !IsLocal(*workload)) return std::nullopt;
  return LocalName{workload->ns, workload->name, workload->service_account};
}

void Builder::NoteWorkloadChange(const Workload* before, const Workload* after) {
  changed_ = true;
  static const std::vector<Text> kNone;
  const auto& old_policies = before == nullptr ? kNone : before->authorization_policies;
  const auto& new_policies = after == nullptr ? kNone : after->authorization_policies;
  const std::optional<LocalName> old_local = LocalNameOf(before);
  const std::optional<LocalName> new_local = LocalNameOf(after);
  // Connections of a workload that has gone are judged anew, too: nobody's policies allow them.
  if (old_policies != new_policies || old_local != new_local) ++policy_generation_;
  if (old_local || new_local) ++local_generation_;
}

void Builder::Put(Workload workload) {
  // Said to be attached to it again, so it is no longer a matter of moments.
  for (const Text& key : workload.authorization_policies) ForgetRemovedPolicy(key);
  const WorkloadRef* row = tables_.by_uid.Find(workload.uid);
  const WorkloadRef before = row == nullptr ? nullptr : *row;
  if (before != nullptr && *before == workload) return;
  const auto after = std::make_shared<const Workload>(std::move(workload));
  NoteWorkloadChange(before.get(), after.get());
  if (before != nullptr) UnindexWorkload(*before);
  IndexWorkload(after);
}

void Builder::IndexWorkload(const WorkloadRef& workload) {
  tables_.by_uid.Put(workload);
  if (workload->network_mode != NetworkMode::kHostNetwork) {
    for (const Ip& ip : workload->addresses) {
      AddClaim(tables_.by_address, NetworkAddress{workload->network, ip}, workload);
    }
  }
  if (!workload->hostname.empty()) {
    AddClaim(tables_.by_workload_host, NamespacedHostname{workload->ns, workload->hostname},
             workload);
  }
  if (const auto local = LocalNameOf(workload.get())) AddClaim(tables_.local, *local, workload);
  for (const Membership& membership : workload->services) {
    NoteEndpoint(membership.service, workload->uid, Endpoint{workload, &membership.ports});
  }
}

void Builder::UnindexWorkload(const Workload& workload) {
  for (const Ip& ip : workload.addresses) {
    DropClaim(tables_.by_address, NetworkAddress{workload.network, ip}, workload.uid);
  }
  DropClaim(tables_.by_workload_host, NamespacedHostname{workload.ns, workload.hostname},
            workload.uid);
  DropClaim(tables_.local, LocalName{workload.ns, workload.name, workload.service_account},
            workload.uid);
  for (const Membership& membership : workload.services) {
    NoteEndpoint(membership.service, workload.uid, Endpoint{});
  }
}

}  // namespace aquifer::mesh
