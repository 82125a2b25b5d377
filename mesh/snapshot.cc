#include "mesh/snapshot.h"

#include <tuple>
#include <utility>

namespace aquifer::mesh {
namespace {

bool Visible(const Service& service, ClientNamespace client) {
  return !client || service.VisibleTo(*client);
}

bool InNamespace(const Service& service, ClientNamespace client) {
  return client && service.ns == *client;
}

// The best of those that share one name or address.
ServiceRef Best(const Services& services, ClientNamespace client, std::string_view preferred) {
  using Rank = std::tuple<bool, bool, bool>;
  const ServiceRef* best = nullptr;
  Rank best_rank;
  for (const ServiceRef& service : services) {
    if (!Visible(*service, client)) continue;
    const Rank rank(InNamespace(*service, client), service->canonical,
                    !preferred.empty() && service->ns == preferred);
    if (best != nullptr && rank <= best_rank) continue;
    best = &service;
    best_rank = rank;
  }
  return best == nullptr ? nullptr : *best;
}

// Collects the best service over several prefixes: the client's namespace beats a longer prefix.
class PrefixMatch {
 public:
  explicit PrefixMatch(ClientNamespace client) : client_(client) {}

  void Consider(const Services& services, unsigned length) {
    for (const ServiceRef& service : services) {
      if (!Visible(*service, client_)) continue;
      const Rank rank(InNamespace(*service, client_), length, service->canonical);
      if (best_ != nullptr && rank <= rank_) continue;
      best_ = service;
      rank_ = rank;
    }
  }
  ServiceRef best() const { return best_; }

 private:
  using Rank = std::tuple<bool, unsigned, bool>;
  ClientNamespace client_;
  ServiceRef best_;
  Rank rank_;
};

template <class Counts, class F>
void ForEachLength(const Counts& counts, F visit) {
  for (unsigned length = counts.size(); length-- > 0;) {
    if (counts[length] != 0) visit(length);
  }
}

WorkloadRef First(const KeyedRow<NetworkAddress, Workloads>* row) {
  return row == nullptr ? nullptr : row->value.front();
}

}  // namespace

WorkloadRef Snapshot::FindWorkload(std::string_view uid) const {
  const WorkloadRef* row = tables_.by_uid.Find(uid);
  return row == nullptr ? nullptr : *row;
}

WorkloadRef Snapshot::FindWorkloadAt(const NetworkAddress& address) const {
  return First(tables_.by_address.Find(address));
}

WorkloadRef Snapshot::FindLocal(const LocalName& name) const {
  const auto* row = tables_.local.Find(name);
  return row == nullptr ? nullptr : row->value.front();
}

ServiceRef Snapshot::FindService(const NamespacedHostname& name) const {
  return tables_.FindService(name);
}

ServiceRef Snapshot::BestServiceAt(const NetworkAddress& vip, ClientNamespace client) const {
  if (const auto* row = tables_.by_vip.Find(vip)) {
    // None of them visible: a prefix may still be.
    if (ServiceRef best = Best(row->value, client, {})) return best;
  }
  const auto* lengths = tables_.prefix_lengths.Find(vip.network);
  if (lengths == nullptr) return nullptr;
  PrefixMatch match(client);
  const auto try_length = [&](unsigned length) {
    const std::optional<Cidr> cidr = Cidr::Make(vip.ip, length);
    if (!cidr) return;
    const auto* row = tables_.by_cidr.Find(NetworkCidr{vip.network, *cidr});
    if (row != nullptr) match.Consider(row->value, length);
  };
  if (vip.ip.is_v4()) {
    ForEachLength(lengths->value.v4, try_length);
  } else {
    ForEachLength(lengths->value.v6, try_length);
  }
  return match.best();
}

ServiceRef Snapshot::BestServiceNamed(std::string_view hostname, ClientNamespace client,
                                      std::string_view preferred) const {
  const auto* row = tables_.by_host.Find(hostname);
  return row == nullptr ? nullptr : Best(row->value, client, preferred);
}

std::vector<ServiceRef> Snapshot::ServicesNamed(std::string_view hostname) const {
  const auto* row = tables_.by_host.Find(hostname);
  if (row == nullptr) return {};
  return {row->value.begin(), row->value.end()};
}

std::vector<ServiceRef> Snapshot::ServicesOf(const Workload& workload) const {
  std::vector<ServiceRef> services;
  for (const Membership& membership : workload.services) {
    if (ServiceRef service = FindService(membership.service)) services.push_back(service);
  }
  return services;
}

EndpointsRef Snapshot::EndpointsOf(const Service& service) const {
  if (const auto* row = tables_.members.Find(service.key())) return row->value.usable;
  return std::make_shared<const EndpointSet>();
}

Destination Snapshot::FindAddress(const NetworkAddress& address, ClientNamespace client) const {
  if (WorkloadRef workload = FindWorkloadAt(address)) return workload;
  if (ServiceRef service = BestServiceAt(address, client)) return service;
  return {};
}

Destination Snapshot::FindHostname(const NamespacedHostname& name) const {
  if (ServiceRef service = FindService(name)) return service;
  if (const auto* row = tables_.by_workload_host.Find(name)) return row->value.front();
  return {};
}

Destination Snapshot::FindGateway(const GatewayAddress& gateway) const {
  if (const auto* name = std::get_if<NamespacedHostname>(&gateway.destination)) {
    return FindHostname(*name);
  }
  return FindAddress(std::get<NetworkAddress>(gateway.destination), std::nullopt);
}

PolicyRef Snapshot::FindPolicy(std::string_view key) const {
  const auto* row = tables_.policies.Find(key);
  return row == nullptr ? nullptr : row->value;
}

AppliedPolicies Snapshot::PoliciesFor(const Workload& workload) const {
  AppliedPolicies applied;
  if (const auto* row = tables_.namespace_policies.Find(workload.ns)) applied.policies = row->value;
  applied.policies.insert(applied.policies.end(), tables_.global_policies.begin(),
                          tables_.global_policies.end());
  for (const Text& key : workload.authorization_policies) {
    const auto* row = tables_.policies.Find(key);
    if (row == nullptr) {
      applied.missing.emplace_back(key);
    } else if (row->value != nullptr) {
      applied.policies.push_back(row->value);
    }
  }
  return applied;
}

void Snapshot::ForEachWorkload(const std::function<void(const WorkloadRef&)>& visit) const {
  tables_.by_uid.ForEach(visit);
}

void Snapshot::ForEachLocal(const std::function<void(const WorkloadRef&)>& visit) const {
  tables_.local.ForEach([&visit](const auto& row) {
    for (const WorkloadRef& workload : row.value) visit(workload);
  });
}

void Snapshot::ForEachService(const std::function<void(const ServiceRef&)>& visit) const {
  tables_.by_host.ForEach([&visit](const auto& row) {
    for (const ServiceRef& service : row.value) visit(service);
  });
}

void Snapshot::ForEachPolicy(const std::function<void(const PolicyRef&)>& visit) const {
  tables_.policies.ForEach([&visit](const auto& row) {
    if (row.value != nullptr) visit(row.value);
  });
}

void Snapshot::ForEachStaged(
    const std::function<void(const NamespacedHostname&, const EndpointSet&)>& visit) const {
  tables_.members.ForEach([this, &visit](const auto& row) {
    if (FindService(row.key) == nullptr) visit(row.key, *row.value.all);
  });
}

}  // namespace aquifer::mesh
