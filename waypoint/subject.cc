#include "waypoint/subject.h"

namespace aquifer::waypoint {

const PolicySet& PoliciesFor(const Rules& rules, const ConnectionContext& connection) {
  const std::optional<Destination>& destination = connection.destination;
  // At a gateway the service is the backend that was chosen; its policies are its waypoint's
  // affair.
  if (connection.edge == Edge::kGateway || !destination || !destination->service)
    return rules.policies.ForGateway();
  return rules.policies.ForService(destination->service->ns, destination->service->hostname);
}

AuthzInput SubjectOf(const Rules& rules, const ConnectionContext& connection,
                     const RequestView* request, const Ip& remote_ip) {
  return {.request = request,
          .peer = connection.peer ? &*connection.peer : nullptr,
          .source_ip = connection.peer_address.ip,
          .remote_ip = remote_ip,
          .destination = connection.local_address,
          .mesh = &rules.gateway.mesh,
          .server_name = connection.server_name};
}

}  // namespace aquifer::waypoint
