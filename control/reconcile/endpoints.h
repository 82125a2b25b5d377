// Endpoints that EndpointSlices know and no selector does: the ports of pods of a Service without a
// selector, and addresses that are no pods as workloads without an identity. And those of ports
// that the workload API does not know. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/reconcile/index.h"
#include "control/resources.h"
#include "mesh/proto/workload.pb.h"

namespace aquifer::control {

// Ports of slice and Service belong together by their names.
istio::workload::PortList SlicePorts(const Service& service, const EndpointSlice& slice);

// Where a port of protocol UDP is served: the first address of each ready endpoint.
std::vector<Address> UdpEndpoints(const Service& service, std::uint16_t port,
                                  const MeshIndex& index);

// By the names of the resources: "Kubernetes/discovery.k8s.io/EndpointSlice/default/db-1/10.0.0.1".
std::map<std::string, Resource> OutsideWorkloads(const MeshIndex& index);

}  // namespace aquifer::control
