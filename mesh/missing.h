// What a decision about a connection would need to know and the snapshot does not have: the names
// that an on-demand client asks its control plane for. Pure, any thread.
#pragma once

#include <string>
#include <vector>

#include "core/base/address.h"
#include "mesh/inbound_target.h"
#include "mesh/snapshot.h"

namespace aquifer::mesh {

// For a connection of `source` to `destination` in `network`: the address if nothing is known
// there, else waypoints and network gateways on the way that are named and not known. At most a
// handful.
std::vector<std::string> MissingFor(const Snapshot& snapshot, const Workload& source,
                                    const Address& destination, const std::string& network);

// For a CONNECT to our workload, as ResolveInbound judges it: what is neither ours by address nor
// by name may be of those whose waypoint we are. Its policies are followed whole and none is
// missing for long; who the client is says its certificate.
std::vector<std::string> MissingForInbound(const Snapshot& snapshot, const Workload& own,
                                           const Ip& local_ip, const InboundAuthority& authority,
                                           const std::string& network);

}  // namespace aquifer::mesh
