#include "control/reconcile/entered_workload.h"

#include <string_view>

#include "control/reconcile/workloads.h"

namespace aquifer::control {
namespace {

namespace pb = istio::workload;

// "region/zone/subzone", each part optional from the right.
void SetLocality(std::string_view text, pb::Workload& workload) {
  if (text.empty()) return;
  const auto next = [&text] {
    const size_t slash = text.find('/');
    const std::string_view part = text.substr(0, slash);
    text = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
    return std::string(part);
  };
  workload.mutable_locality()->set_region(next());
  workload.mutable_locality()->set_zone(next());
  workload.mutable_locality()->set_subzone(next());
}

std::uint32_t OwnPort(const EnteredWorkload& entered, std::string_view name,
                      std::uint32_t otherwise) {
  const auto found = entered.ports.find(name);
  return found == entered.ports.end() ? otherwise : found->second;
}

void AddPort(std::uint32_t service_port, std::uint32_t target_port, pb::PortList& list) {
  pb::Port* added = list.add_ports();
  added->set_service_port(service_port);
  added->set_target_port(target_port);
}

}  // namespace

pb::Workload MakeEnteredWorkload(const EnteredWorkload& entered, const Meta& meta,
                                 const std::string& uid, const MeshSettings& settings) {
  Labels labels = entered.labels;
  labels.insert(meta.labels.begin(), meta.labels.end());
  pb::Workload workload;
  workload.set_uid(uid);
  workload.set_name(meta.name);
  workload.set_namespace_(meta.namespace_name);
  if (entered.ip) workload.add_addresses(entered.ip->ByteString());
  workload.set_hostname(entered.hostname);
  workload.set_network(entered.network.empty() ? settings.network : entered.network);
  if (settings.trust_domain != "cluster.local") workload.set_trust_domain(settings.trust_domain);
  workload.set_service_account(entered.service_account);
  workload.set_workload_type(pb::POD);
  workload.set_workload_name(meta.name);
  SetCanonical(labels, workload);
  workload.set_cluster_id(settings.cluster_id);
  workload.set_status(pb::HEALTHY);
  if (LabelOf(labels, "networking.istio.io/tunnel") == "http") {
    workload.set_native_tunnel(true);
    workload.set_tunnel_protocol(pb::HBONE);
  }
  SetLocality(entered.locality, workload);
  if (entered.weight > 0) workload.mutable_capacity()->set_value(entered.weight);
  return workload;
}

pb::PortList EnteredPorts(const ServiceEntry& entry, const EnteredWorkload& entered) {
  pb::PortList list;
  for (const ServiceEntry::Port& port : entry.ports) {
    if (port.protocol == "udp") continue;
    AddPort(port.number, OwnPort(entered, port.name, port.target_port), list);
  }
  return list;
}

pb::PortList EnteredPorts(const Service& service, const EnteredWorkload& entered) {
  pb::PortList list;
  for (const ServicePort& port : service.ports) {
    if (!port.tcp) continue;
    const std::uint32_t by_target =
        port.target_name.empty() ? port.target_port : OwnPort(entered, port.target_name, 0);
    const std::uint32_t target = OwnPort(entered, port.name, by_target);
    if (target != 0) AddPort(port.port, target, list);
  }
  return list;
}

}  // namespace aquifer::control
