// The indexes that a snapshot reads and the builder writes (mesh/snapshot.h, mesh/builder.h).
// Nobody else needs this header. Rows are values; what they refer to is immutable and shared.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "mesh/cow_table.h"
#include "mesh/endpoints.h"
#include "mesh/names.h"
#include "mesh/policy.h"
#include "mesh/service.h"
#include "mesh/workload.h"

namespace aquifer::mesh {

// What the CNI agent knows of a pod (ZDS WorkloadInfo).
struct LocalName {
  std::string ns;
  std::string name;
  std::string service_account;

  friend bool operator==(const LocalName&, const LocalName&) = default;
  template <class H>
  friend H AbslHashValue(H h, const LocalName& n) {
    return H::combine(std::move(h), n.ns, n.name, n.service_account);
  }
};

// Nearly always one: no allocation for it.
using Workloads = absl::InlinedVector<WorkloadRef, 1>;
using Services = absl::InlinedVector<ServiceRef, 1>;

template <class K, class V>
struct KeyedRow {
  K key;
  V value;
};

struct KeyOfWorkload {
  std::string_view operator()(const WorkloadRef& row) const { return row->uid; }
};
template <class K, class V>
struct KeyOfRow {
  const K& operator()(const KeyedRow<K, V>& row) const { return row.key; }
};
template <class V>
struct KeyOfRow<std::string, V> {
  std::string_view operator()(const KeyedRow<std::string, V>& row) const { return row.key; }
};
template <class K, class V>
using KeyedTable = CowTable<KeyedRow<K, V>, KeyOfRow<K, V>>;

// A value to be changed in place, made if there is none.
template <class K, class V, class Key>
V& Edit(KeyedTable<K, V>& table, const Key& key) {
  return table.Edit(key, [&key] { return KeyedRow<K, V>{K(key), V()}; }).value;
}

// The endpoints of a service, known or not: all of them, and those it may use.
struct Members {
  EndpointsRef all;
  EndpointsRef usable;
};

// A policy by its key. Null: there was one, it was removed, and no workload has been attached to it
// since. A workload that still names it is about to be updated and must not be cut off until then.
using PolicySlot = PolicyRef;

// Which prefix lengths occur in a network, and how often, so that a lookup tries only those.
struct PrefixLengths {
  std::array<std::uint32_t, 33> v4{};
  std::array<std::uint32_t, 129> v6{};

  bool empty() const {
    return v4 == std::array<std::uint32_t, 33>{} && v6 == std::array<std::uint32_t, 129>{};
  }
};

struct Tables {
  CowTable<WorkloadRef, KeyOfWorkload> by_uid;
  KeyedTable<NetworkAddress, Workloads> by_address;            // best claim first
  KeyedTable<NamespacedHostname, Workloads> by_workload_host;  // best claim first
  KeyedTable<LocalName, Workloads> local;                      // best claim first
  KeyedTable<std::string, Services> by_host;                   // one a namespace, ordered by it
  KeyedTable<NetworkAddress, Services> by_vip;                 // likewise
  KeyedTable<NetworkCidr, Services> by_cidr;                   // likewise
  KeyedTable<std::string, PrefixLengths> prefix_lengths;       // by network
  KeyedTable<NamespacedHostname, Members> members;
  KeyedTable<std::string, PolicySlot> policies;                        // by "<namespace>/<name>"
  KeyedTable<std::string, std::vector<PolicyRef>> namespace_policies;  // ordered by key
  size_t removed_policies = 0;                                         // null rows of `policies`
  std::vector<PolicyRef> global_policies;                              // ordered by key

  ServiceRef FindService(const NamespacedHostname& name) const {
    const auto* row = by_host.Find(name.hostname);
    if (row == nullptr) return nullptr;
    for (const ServiceRef& service : row->value) {
      if (service->ns == name.ns) return service;
    }
    return nullptr;
  }
};

}  // namespace aquifer::mesh
