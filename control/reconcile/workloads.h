// Pods as istio.workload.Workload and Services as istio.workload.Service. Pure; every input is an
// argument.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/reconcile/index.h"
#include "control/reconcile/waypoints.h"
#include "control/resources.h"
#include "mesh/proto/workload.pb.h"

namespace aquifer::control {

// "Kubernetes//Pod/default/httpbin".
std::string WorkloadUid(const Pod& pod, const MeshSettings& settings);
// "default/httpbin.default.svc.cluster.local".
std::string ServiceResourceName(const Service& service, const MeshIndex& index);

// Where the pod serves it. A named target port means the container port of that name; 0: the pod
// has none, and does not serve the port.
std::uint32_t TargetPort(const ServicePort& port, const Pod& pod);

istio::workload::Workload MakeWorkload(const Pod& pod, const MeshIndex& index,
                                       const WaypointBinding& waypoint,
                                       std::vector<std::string> policies);
istio::workload::Service MakeService(const Service& service, const MeshIndex& index,
                                     const WaypointBinding& waypoint);

// What a word such as "http" or "grpc" says of a port; UNKNOWN for others.
istio::workload::AppProtocol ProtocolOfWord(std::string_view word);
// Canonical name and revision, of the labels that give them, else the workload's name and "latest".
void SetCanonical(const Labels& labels, istio::workload::Workload& workload);

// "<network>/<ip>": another name of what is at the address.
std::string NetworkName(const std::string& network, const std::string& address_bytes);
// The resource comes along with that service.
void BringBy(const Service& service, const MeshIndex& index, Resource& resource);

// With the names by which an on-demand client may ask for it.
Resource WorkloadResource(const istio::workload::Workload& workload, const Pod& pod,
                          const MeshIndex& index);
Resource ServiceResource(const istio::workload::Service& service);

}  // namespace aquifer::control
