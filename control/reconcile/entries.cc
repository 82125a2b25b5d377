#include "control/reconcile/entries.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "control/names.h"
#include "control/reconcile/automatic_address.h"
#include "control/reconcile/entered_workload.h"
#include "control/reconcile/serialize.h"
#include "control/reconcile/workloads.h"

namespace aquifer::control {
namespace {

namespace pb = istio::workload;

// A wildcard is nothing that can be connected to unless its names are resolved one by one.
bool IsServed(const ServiceEntry& entry, const std::string& host) {
  return !IsWildcard(host) || entry.resolution == ServiceEntry::Resolution::kDynamicDns;
}

// Its hosts are names that can be resolved, and nothing else is said of where they are.
bool IsWhereItSays(const ServiceEntry& entry) {
  return entry.resolution == ServiceEntry::Resolution::kDns && entry.endpoints.empty() &&
         !entry.selector;
}

void SetPorts(const ServiceEntry& entry, pb::Service& service) {
  for (const ServiceEntry::Port& port : entry.ports) {
    if (port.protocol == "udp") continue;
    pb::Port* added = service.add_ports();
    added->set_service_port(port.number);
    added->set_target_port(port.target_port);
    added->set_app_protocol(ProtocolOfWord(port.protocol));
  }
}

pb::PortList PortsOfPod(const ServiceEntry& entry) {
  return EnteredPorts(entry, EnteredWorkload{});
}

}  // namespace

Entries::Entries(const MeshIndex& index, const WaypointResolver& resolver) : index_(index) {
  for (const auto& [key, service] : index_.objects().services)
    service_ips_.insert(service.cluster_ips.begin(), service.cluster_ips.end());
  ChooseHosts();
  MakeServices(resolver);
  ChooseAddresses();
  for (const Entered& entered : entered_) {
    if (entered.entry->selector)
      by_namespace_[entered.entry->meta.namespace_name].push_back(&entered);
    resources_.insert_or_assign(entered.name, ServiceResource(entered.service));
  }
  AddAllEndpoints();
  for (const auto& [key, entry] : index_.objects().workload_entries)
    AddWorkloadEntry(entry, resolver);
}

bool Entries::IsOfService(const Ip& ip, const Meta& meta) {
  if (!service_ips_.contains(ip)) return false;
  warnings_.push_back(meta.namespace_name + "/" + meta.name + " was entered with the address " +
                      ip.ToString() + " of a Service, which it does not get");
  return true;
}

void Entries::SetAddresses(const ServiceEntry& entry, pb::Service& service) {
  for (const Cidr& prefix : entry.addresses) {
    const bool whole = prefix.length() == prefix.ip().bytes().size() * 8;
    if (whole && IsOfService(prefix.ip(), entry.meta)) continue;
    pb::NetworkAddress* address = service.add_addresses();
    address->set_network(index_.settings().network);
    address->set_address(prefix.ip().ByteString());
    if (!whole) address->set_length(prefix.length());
  }
}

void Entries::ChooseHosts() {
  std::vector<const ServiceEntry*> entries;
  for (const auto& [key, entry] : index_.objects().service_entries) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
    return std::tie(a->meta.creation_seconds, a->meta.namespace_name, a->meta.name) <
           std::tie(b->meta.creation_seconds, b->meta.namespace_name, b->meta.name);
  });
  std::set<std::string> taken;
  std::set<std::string> canonical;
  for (const auto& [key, service] : index_.objects().services) {
    taken.insert(ServiceResourceName(service, index_));
    canonical.insert(index_.HostnameOf(service));
  }
  for (const ServiceEntry* entry : entries) {
    for (const std::string& host : entry->hosts) {
      std::string name = entry->meta.namespace_name + "/" + host;
      if (!IsServed(*entry, host) || !taken.insert(name).second) continue;
      Entered& entered = entered_.emplace_back();
      entered.entry = entry;
      entered.name = std::move(name);
      entered.service.set_hostname(host);
      entered.service.set_canonical(canonical.insert(host).second);
    }
  }
}

void Entries::MakeServices(const WaypointResolver& resolver) {
  std::map<const ServiceEntry*, WaypointBinding> bindings;
  for (Entered& entered : entered_) {
    const ServiceEntry& entry = *entered.entry;
    const auto [binding, first] = bindings.try_emplace(&entry);
    if (first) {
      binding->second = resolver.ForServiceEntry(entry);
      notes_.push_back({Kind::kServiceEntry, &entry.meta, binding->second.conditions});
    }
    Served& served = served_[&entry];
    served.gateway = binding->second.gateway;
    served.hosts.push_back(entered.service.hostname());
    pb::Service& service = entered.service;
    service.set_name(entry.meta.name);
    service.set_namespace_(entry.meta.namespace_name);
    SetAddresses(entry, service);
    SetPorts(entry, service);
    for (const std::string& name : entry.subject_alt_names) service.add_subject_alt_names(name);
    if (binding->second.bound) *service.mutable_waypoint() = binding->second.address;
    if (entry.resolution == ServiceEntry::Resolution::kNone) {
      service.mutable_load_balancing()->set_mode(pb::LoadBalancing::PASSTHROUGH);
      service.mutable_load_balancing()->set_health_policy(pb::LoadBalancing::ALLOW_ALL);
    }
    if (entry.own_namespace_only) service.set_visibility(pb::Service::NAMESPACE);
  }
}

// Clients can only meet by address what has one.
void Entries::ChooseAddresses() {
  AutomaticAddresses automatic;
  for (const Entered& entered : entered_) {
    for (const ServiceEntry::Given& given : entered.entry->given) automatic.Take(given.ip);
  }
  for (Entered& entered : entered_) {
    if (!WantsAddress(*entered.entry, entered.service.hostname())) continue;
    std::vector<Ip> ips;
    for (const ServiceEntry::Given& given : entered.entry->given) {
      if (given.host.empty() || given.host == entered.service.hostname()) ips.push_back(given.ip);
    }
    if (ips.empty()) ips = automatic.Choose(entered.name);
    for (const Ip& ip : ips) {
      pb::NetworkAddress* address = entered.service.add_addresses();
      address->set_network(index_.settings().network);
      address->set_address(ip.ByteString());
    }
  }
}

const Entries::Served* Entries::Find(const ServiceEntry& entry) const {
  const auto found = served_.find(&entry);
  return found == served_.end() ? nullptr : &found->second;
}

std::vector<std::string> Entries::NamesOf(const Entered& entered) const {
  std::vector<std::string> names = {entered.name};
  for (const pb::NetworkAddress& address : entered.service.addresses())
    names.push_back(NetworkName(address.network(), address.address()));
  return names;
}

// The hosts of an entry follow each other.
void Entries::AddAllEndpoints() {
  for (auto first = entered_.begin(); first != entered_.end();) {
    const auto last = std::find_if(
        first, entered_.end(), [&](const Entered& other) { return other.entry != first->entry; });
    const std::span<const Entered> hosts(first, last);
    for (const EnteredWorkload& endpoint : first->entry->endpoints) AddEndpoint(hosts, endpoint);
    for (size_t i = 0; i < hosts.size() && IsWhereItSays(*first->entry); ++i) {
      EnteredWorkload itself;
      itself.hostname = hosts[i].service.hostname();
      AddEndpoint(hosts.subspan(i, 1), itself);
    }
    first = last;
  }
}

void Entries::AddEndpoint(std::span<const Entered> hosts, const EnteredWorkload& endpoint) {
  const ServiceEntry& entry = *hosts[0].entry;
  const std::string where = endpoint.ip ? endpoint.ip->ToString() : endpoint.hostname;
  if (where.empty() || (endpoint.ip && IsOfService(*endpoint.ip, entry.meta))) return;
  const std::string uid = index_.settings().cluster_id + "/networking.istio.io/ServiceEntry/" +
                          entry.meta.namespace_name + "/" + entry.meta.name + "/" + where;
  pb::Workload workload = MakeEnteredWorkload(endpoint, entry.meta, uid, index_.settings());
  std::vector<std::string> names;
  for (const Entered& host : hosts) {
    (*workload.mutable_services())[host.name] = EnteredPorts(entry, endpoint);
    for (std::string& name : NamesOf(host)) names.push_back(std::move(name));
  }
  PutWorkload(workload, std::move(names));
}

void Entries::AddWorkloadEntry(const WorkloadEntry& entry, const WaypointResolver& resolver) {
  const EnteredWorkload& entered = entry.workload;
  if (!entered.ip && entered.hostname.empty()) return;
  if (entered.ip && IsOfService(*entered.ip, entry.meta)) return;
  const std::string uid = index_.settings().cluster_id + "/networking.istio.io/WorkloadEntry/" +
                          entry.meta.namespace_name + "/" + entry.meta.name;
  pb::Workload workload = MakeEnteredWorkload(entered, entry.meta, uid, index_.settings());
  const WaypointBinding waypoint = resolver.ForWorkloadEntry(entry);
  notes_.push_back({Kind::kWorkloadEntry, &entry.meta, waypoint.conditions});
  if (waypoint.bound) *workload.mutable_waypoint() = waypoint.address;
  Labels labels = entered.labels;
  labels.insert(entry.meta.labels.begin(), entry.meta.labels.end());
  std::vector<std::string> names;
  for (const Entered* service : Selecting(entry.meta.namespace_name, labels)) {
    (*workload.mutable_services())[service->name] = EnteredPorts(*service->entry, entered);
    for (std::string& name : NamesOf(*service)) names.push_back(std::move(name));
  }
  const auto& services = index_.objects().services;
  const std::string& space = entry.meta.namespace_name;
  for (auto at = services.lower_bound({space, ""});
       at != services.end() && at->first.first == space; ++at) {
    const Service& service = at->second;
    const bool selects = !service.selector.empty() && HasLabels(labels, service.selector);
    if (!selects || service.type == Service::Type::kExternalName) continue;
    (*workload.mutable_services())[ServiceResourceName(service, index_)] =
        EnteredPorts(service, entered);
    names.push_back(ServiceResourceName(service, index_));
    for (const Ip& ip : service.cluster_ips)
      names.push_back(NetworkName(index_.settings().network, ip.ByteString()));
  }
  PutWorkload(workload, std::move(names));
}

void Entries::PutWorkload(const pb::Workload& workload, std::vector<std::string> brought_by) {
  pb::Address address;
  *address.mutable_workload() = workload;
  Resource resource = MakeResource(address);
  for (const std::string& bytes : workload.addresses())
    resource.aliases.push_back(NetworkName(workload.network(), bytes));
  resource.brought_by = std::move(brought_by);
  resources_.insert_or_assign(workload.uid(), std::move(resource));
}

std::vector<const Entries::Entered*> Entries::Selecting(const std::string& namespace_name,
                                                        const Labels& labels) const {
  std::vector<const Entered*> selecting;
  const auto found = by_namespace_.find(namespace_name);
  if (found == by_namespace_.end()) return selecting;
  for (const Entered* entered : found->second) {
    const Labels& wanted = *entered->entry->selector;
    if (!wanted.empty() && HasLabels(labels, wanted)) selecting.push_back(entered);
  }
  return selecting;
}

std::vector<std::string> Entries::AddTo(const Pod& pod, pb::Workload& workload) const {
  std::vector<std::string> names;
  for (const Entered* entered : Selecting(pod.meta.namespace_name, pod.meta.labels)) {
    (*workload.mutable_services())[entered->name] = PortsOfPod(*entered->entry);
    for (std::string& name : NamesOf(*entered)) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace aquifer::control
