// Messages of the workload API (mesh/proto) to the model. What cannot be represented is refused
// with the path of the field, in the message's own names; nothing is dropped silently, truncated or
// defaulted to something wider than was meant. Any thread.
#pragma once

#include <optional>
#include <string_view>

#include "core/base/result.h"
#include "mesh/policy.h"
#include "mesh/proto/authorization.pb.h"
#include "mesh/proto/workload.pb.h"
#include "mesh/service.h"
#include "mesh/workload.h"

namespace aquifer::mesh {

// `texts` has the names that many say, such as namespaces and nodes.
Decoded<Workload> DecodeWorkload(const istio::workload::Workload& message, Texts& texts);
Decoded<Service> DecodeService(const istio::workload::Service& message, Texts& texts);
Decoded<GatewayAddress> DecodeGateway(const istio::workload::GatewayAddress& message);
// For one of a kind.
Decoded<Workload> DecodeWorkload(const istio::workload::Workload& message);
Decoded<Service> DecodeService(const istio::workload::Service& message);
Decoded<Policy> DecodePolicy(const istio::security::Authorization& message);

// What stands in for a workload or service that was refused, so that the mistake opens nothing:
// `before`, which is in force (null: nothing is), with the policies now attached and the waypoint
// now in front. A new one that is in the mesh, or a service, keeps its addresses behind a waypoint
// that leads nowhere: clients are refused, and do not go there in the clear. Empty when nothing
// needs to be closed. Its name must be the resource's.
std::optional<Workload> ClosedWorkload(const istio::workload::Workload& message,
                                       const Workload* before);
std::optional<Service> ClosedService(const istio::workload::Service& message,
                                     const Service* before);
// Whether such a stand-in is refused to everybody.
bool LeadsNowhere(const Rare<GatewayAddress>& waypoint);

// What stands in for a policy that DecodePolicy refused: it has no rules and is marked malformed,
// so that everything it was meant for is denied. `resource_name` gives the name where the message
// does not. Empty when neither says which policy it is.
std::optional<Policy> MalformedPolicy(const istio::security::Authorization& message,
                                      std::string_view resource_name);
// The same when not even the message could be parsed: it may have been for the whole namespace.
std::optional<Policy> MalformedPolicy(std::string_view resource_name);

}  // namespace aquifer::mesh
