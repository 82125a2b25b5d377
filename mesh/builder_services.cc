// Services into the tables, and their endpoints, which come from the workloads that name them.
#include <algorithm>
#include <compare>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "mesh/builder.h"

namespace aquifer::mesh {
namespace {

// Ordered by namespace; within one the latest first, for of equally good services the first is
// taken.
template <class Key, class Wanted>
void AddService(KeyedTable<Key, Services>& table, const Wanted& key, const ServiceRef& service) {
  Services& services = Edit(table, key);
  const auto place = std::find_if(services.begin(), services.end(),
                                  [&](const ServiceRef& s) { return s->ns >= service->ns; });
  services.insert(place, service);
}

// Drops the service once; others may share the key.
template <class Key, class Wanted>
bool DropService(KeyedTable<Key, Services>& table, const Wanted& key, const Service& service) {
  if (table.Find(key) == nullptr) return false;
  Services& services = Edit(table, key);
  const auto at = std::find_if(services.begin(), services.end(), [&](const ServiceRef& s) {
    return s->ns == service.ns && s->hostname == service.hostname;
  });
  const bool found = at != services.end();
  if (found) services.erase(at);
  if (services.empty()) table.Erase(key);
  return found;
}

EndpointsRef UsableOf(const EndpointsRef& all, const Service& service) {
  const auto takes = [&service](const Endpoint& e) { return service.Takes(e.workload->health); };
  if (std::all_of(all->all().begin(), all->all().end(), takes)) return all;
  std::vector<Endpoint> usable;
  for (const Endpoint& endpoint : all->all()) {
    if (takes(endpoint)) usable.push_back(endpoint);
  }
  return std::make_shared<const EndpointSet>(std::move(usable));
}

}  // namespace

void Builder::Put(Service service) {
  const ServiceRef before = tables_.FindService(service.key());
  if (before != nullptr && *before == service) return;
  changed_ = true;
  if (before != nullptr) UnindexService(*before);
  IndexService(std::make_shared<const Service>(std::move(service)));
}

void Builder::IndexService(const ServiceRef& service) {
  AddService(tables_.by_host, service->hostname, service);
  for (const NetworkAddress& vip : service->vips) AddService(tables_.by_vip, vip, service);
  for (const NetworkCidr& cidr : service->cidr_vips) {
    AddService(tables_.by_cidr, cidr, service);
    CountPrefix(cidr, +1);
  }
  endpoint_changes_[service->key()];  // which endpoints are usable may have changed
}

void Builder::UnindexService(const Service& service) {
  DropService(tables_.by_host, service.hostname, service);
  for (const NetworkAddress& vip : service.vips) DropService(tables_.by_vip, vip, service);
  for (const NetworkCidr& cidr : service.cidr_vips) {
    if (DropService(tables_.by_cidr, cidr, service)) CountPrefix(cidr, -1);
  }
}

void Builder::CountPrefix(const NetworkCidr& cidr, int change) {
  PrefixLengths& lengths = Edit(tables_.prefix_lengths, cidr.network);
  const unsigned length = cidr.cidr.length();
  std::uint32_t& count = cidr.cidr.ip().is_v4() ? lengths.v4[length] : lengths.v6[length];
  count += static_cast<std::uint32_t>(change);
  if (lengths.empty()) tables_.prefix_lengths.Erase(cidr.network);
}

// Once a service and a build, however many of its endpoints have changed: a set is copied whole.
void Builder::ApplyEndpointChanges() {
  for (auto& [name, changes] : endpoint_changes_) RebuildMembers(name, changes);
  endpoint_changes_.clear();
}

void Builder::NoteEndpoint(const NamespacedHostname& service, const Text& uid, Endpoint endpoint) {
  EndpointChanges& changes = endpoint_changes_[service];
  changes.push_back({uid, changes.size(), std::move(endpoint)});
}

// Ordered by uid, each once.
void Builder::KeepLast(EndpointChanges& changes) {
  std::sort(changes.begin(), changes.end(), [](const EndpointChange& a, const EndpointChange& b) {
    const std::strong_ordering order = a.uid <=> b.uid;
    return order != 0 ? order < 0 : a.order < b.order;
  });
  // From behind: of equal ones the first that is met there is the last that came.
  const auto same = [](const EndpointChange& a, const EndpointChange& b) { return a.uid == b.uid; };
  changes.erase(changes.begin(), std::unique(changes.rbegin(), changes.rend(), same).base());
}

std::vector<Endpoint> Builder::Merge(std::span<const Endpoint> before,
                                     const EndpointChanges& changes) {
  std::vector<Endpoint> merged;
  merged.reserve(before.size() + changes.size());
  auto change = changes.begin();
  const auto take = [&merged](const Endpoint& endpoint) {
    if (endpoint.workload != nullptr) merged.push_back(endpoint);
  };
  for (const Endpoint& endpoint : before) {
    while (change != changes.end() && change->uid < endpoint.workload->uid) {
      take((change++)->endpoint);
    }
    if (change != changes.end() && change->uid == endpoint.workload->uid) {
      take((change++)->endpoint);
    } else {
      merged.push_back(endpoint);
    }
  }
  while (change != changes.end()) take((change++)->endpoint);
  return merged;
}

void Builder::RebuildMembers(const NamespacedHostname& name, EndpointChanges& changes) {
  const auto* row = tables_.members.Find(name);
  Members members;
  if (row != nullptr) members = row->value;
  if (members.all == nullptr || !changes.empty()) {
    KeepLast(changes);
    const auto before = members.all == nullptr ? std::span<const Endpoint>() : members.all->all();
    members.all = std::make_shared<const EndpointSet>(Merge(before, changes));
  }
  if (members.all->empty()) {
    tables_.members.Erase(name);
    return;
  }
  const ServiceRef service = tables_.FindService(name);
  members.usable = service == nullptr ? members.all : UsableOf(members.all, *service);
  tables_.members.Put({name, std::move(members)});
}

}  // namespace aquifer::mesh
