// The mesh as it was at one moment: immutable indexes over workloads, services, endpoints and
// policies. Made by mesh/builder on the control loop, shared by all workers, held across a
// connection's decision. Lookup rules: ztunnel's (services that share an address, workloads that
// claim one). Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mesh/endpoints.h"
#include "mesh/names.h"
#include "mesh/policy.h"
#include "mesh/service.h"
#include "mesh/tables.h"
#include "mesh/workload.h"

namespace aquifer::mesh {

// What an address or a hostname leads to; monostate: nothing known.
using Destination = std::variant<std::monostate, WorkloadRef, ServiceRef>;

// Who asks, where services may be visible to their own namespace only and one's own namespace goes
// first. No namespace: sees everything, prefers none.
using ClientNamespace = std::optional<std::string_view>;

// The policies that apply to one workload, for mesh/rbac.
struct AppliedPolicies {
  std::vector<PolicyRef> policies;   // its namespace's, the mesh's, then those attached to it
  std::vector<std::string> missing;  // attached, but never seen
};

class Snapshot {
 public:
  // --- workloads ---
  WorkloadRef FindWorkload(std::string_view uid) const;
  // The workload behind an address; of several the most trustworthy claim (pods, then HBONE, then
  // the latest). Workloads of the host's network are not found this way.
  WorkloadRef FindWorkloadAt(const NetworkAddress& address) const;
  // A workload of this node by what the CNI agent knows about its pod. Its address plays no part,
  // so that an address used again cannot lend somebody else's identity.
  WorkloadRef FindLocal(const LocalName& name) const;

  // --- services ---
  ServiceRef FindService(const NamespacedHostname& name) const;
  // The best service that owns `vip` as a whole address, else by prefix: visible, then in the
  // client's namespace, then (prefixes) the longest, then canonical.
  ServiceRef BestServiceAt(const NetworkAddress& vip, ClientNamespace client) const;
  // The same by hostname; `preferred` ranks after canonical (for DNS).
  ServiceRef BestServiceNamed(std::string_view hostname, ClientNamespace client,
                              std::string_view preferred = {}) const;
  // Every service that has this hostname, by namespace.
  std::vector<ServiceRef> ServicesNamed(std::string_view hostname) const;
  // The services that `workload` says it belongs to and that are known.
  std::vector<ServiceRef> ServicesOf(const Workload& workload) const;
  // Endpoints that the service's health policy accepts. Never null.
  EndpointsRef EndpointsOf(const Service& service) const;

  // --- either ---
  // Workload first, then service.
  Destination FindAddress(const NetworkAddress& address, ClientNamespace client) const;
  // Service first, then the workload with that hostname.
  Destination FindHostname(const NamespacedHostname& name) const;
  // Where a waypoint or gateway reference leads, whichever form it has.
  Destination FindGateway(const GatewayAddress& gateway) const;

  // --- policies ---
  PolicyRef FindPolicy(std::string_view key) const;
  AppliedPolicies PoliciesFor(const Workload& workload) const;

  // --- all of them, in no order, for dumps and prefetch ---
  void ForEachWorkload(const std::function<void(const WorkloadRef&)>& visit) const;
  void ForEachLocal(const std::function<void(const WorkloadRef&)>& visit) const;
  void ForEachService(const std::function<void(const ServiceRef&)>& visit) const;
  void ForEachPolicy(const std::function<void(const PolicyRef&)>& visit) const;
  // Endpoints whose service has not come yet.
  void ForEachStaged(
      const std::function<void(const NamespacedHostname&, const EndpointSet&)>& visit) const;
  size_t workload_count() const { return tables_.by_uid.size(); }
  size_t service_count() const { return tables_.by_host.size(); }  // hostnames
  size_t policy_count() const { return tables_.policies.size() - tables_.removed_policies; }

  // Rises with every snapshot of one builder.
  std::uint64_t generation() const { return generation_; }
  // Rises when what RBAC would say of an open connection may have changed: a policy, or what is
  // attached to a workload.
  std::uint64_t policy_generation() const { return policy_generation_; }
  // Rises when a workload of this node came, changed or went: certificates to fetch or to forget.
  std::uint64_t local_generation() const { return local_generation_; }

 private:
  friend class Builder;
  Snapshot(Tables tables, std::uint64_t generation, std::uint64_t policy_generation,
           std::uint64_t local_generation)
      : tables_(std::move(tables)),
        generation_(generation),
        policy_generation_(policy_generation),
        local_generation_(local_generation) {}

  const Tables tables_;
  const std::uint64_t generation_;
  const std::uint64_t policy_generation_;
  const std::uint64_t local_generation_;
};

using SnapshotRef = std::shared_ptr<const Snapshot>;

}  // namespace aquifer::mesh
