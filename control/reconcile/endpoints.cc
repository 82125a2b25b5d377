#include "control/reconcile/endpoints.h"

#include <algorithm>
#include <utility>

#include "control/reconcile/serialize.h"
#include "control/reconcile/workloads.h"

namespace aquifer::control {
namespace {

namespace pb = istio::workload;

pb::Workload WorkloadOf(const MeshIndex::Outside& outside, const Ip& ip, const MeshIndex& index) {
  const EndpointSlice& slice = *outside.slice;
  const MeshSettings& settings = index.settings();
  pb::Workload workload;
  workload.set_uid(settings.cluster_id + "/discovery.k8s.io/EndpointSlice/" +
                   slice.meta.namespace_name + "/" + slice.meta.name + "/" + ip.ToString());
  workload.set_name(slice.meta.name);
  workload.set_namespace_(slice.meta.namespace_name);
  workload.add_addresses(ip.ByteString());
  workload.set_network(settings.network);
  workload.set_cluster_id(settings.cluster_id);
  workload.set_node(outside.endpoint->node_name);
  workload.set_workload_type(pb::POD);
  workload.set_workload_name(slice.meta.name);
  workload.set_canonical_name(outside.service->meta.name);
  workload.set_canonical_revision("latest");
  // Nothing is known of who is there, so nothing is said of the address but that it serves.
  workload.set_network_mode(pb::HOST_NETWORK);
  workload.set_status(outside.endpoint->ready ? pb::HEALTHY : pb::UNHEALTHY);
  (*workload.mutable_services())[ServiceResourceName(*outside.service, index)] =
      SlicePorts(*outside.service, slice);
  return workload;
}

// 0: the slice does not have it.
std::uint16_t SlicePort(const ServicePort& port, const EndpointSlice& slice) {
  const auto found = std::find_if(
      slice.ports.begin(), slice.ports.end(), [&](const EndpointSlice::Port& candidate) {
        return candidate.tcp == port.tcp && candidate.port != 0 && candidate.name == port.name;
      });
  return found == slice.ports.end() ? 0 : found->port;
}

}  // namespace

pb::PortList SlicePorts(const Service& service, const EndpointSlice& slice) {
  pb::PortList list;
  for (const ServicePort& port : service.ports) {
    const std::uint16_t target = port.tcp ? SlicePort(port, slice) : 0;
    if (target == 0) continue;
    pb::Port* added = list.add_ports();
    added->set_service_port(port.port);
    added->set_target_port(target);
  }
  return list;
}

std::vector<Address> UdpEndpoints(const Service& service, std::uint16_t port,
                                  const MeshIndex& index) {
  std::vector<Address> endpoints;
  const auto found = std::find_if(
      service.ports.begin(), service.ports.end(),
      [&](const ServicePort& candidate) { return !candidate.tcp && candidate.port == port; });
  if (found == service.ports.end()) return endpoints;
  for (const Pod* pod : index.PodsOf(service)) {
    if (!IsReady(*pod) && !service.publish_not_ready_addresses) continue;
    const EndpointSlice* slice = index.SliceOf(service, *pod);
    const std::uint32_t target =
        slice != nullptr ? SlicePort(*found, *slice) : TargetPort(*found, *pod);
    if (target != 0) endpoints.push_back({pod->ips[0], static_cast<std::uint16_t>(target)});
  }
  for (const MeshIndex::Outside& outside : index.outside()) {
    if (outside.service != &service || !outside.endpoint->ready) continue;
    const std::uint16_t target = SlicePort(*found, *outside.slice);
    if (target != 0 && !outside.endpoint->ips.empty())
      endpoints.push_back({outside.endpoint->ips[0], target});
  }
  return endpoints;
}

std::map<std::string, Resource> OutsideWorkloads(const MeshIndex& index) {
  std::map<std::string, Resource> resources;
  for (const MeshIndex::Outside& outside : index.outside()) {
    for (const Ip& ip : outside.endpoint->ips) {
      const pb::Workload workload = WorkloadOf(outside, ip, index);
      pb::Address address;
      *address.mutable_workload() = workload;
      Resource resource = MakeResource(address);
      BringBy(*outside.service, index, resource);
      resources.insert_or_assign(workload.uid(), std::move(resource));
    }
  }
  return resources;
}

}  // namespace aquifer::control
