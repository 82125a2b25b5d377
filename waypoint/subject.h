// What policies are asked about: which of them count for a connection from a client, and what they
// see of it or of a request on it. Pure, any thread.
#pragma once

#include "waypoint/authz.h"
#include "waypoint/connection_context.h"

namespace aquifer::waypoint {

const PolicySet& PoliciesFor(const Rules& rules, const ConnectionContext& connection);

// `request`: null where it is not HTTP. `remote_ip`: waypoint/client_address.h, the peer's without
// HTTP. Outlived by all of them.
AuthzInput SubjectOf(const Rules& rules, const ConnectionContext& connection,
                     const RequestView* request, const Ip& remote_ip);

}  // namespace aquifer::waypoint
