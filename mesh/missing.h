// What a decision about a connection would need to know and the snapshot does not have: the names
// that an on-demand client asks its control plane for. Pure, any thread.
#pragma once

#include <string>
#include <vector>

#include "core/base/address.h"
#include "mesh/snapshot.h"

namespace aquifer::mesh {

// For a connection of `source` to `destination` in `network`: the address if nothing is known
// there, else waypoints and network gateways on the way that are named and not known. At most a
// handful.
std::vector<std::string> MissingFor(const Snapshot& snapshot, const Workload& source,
                                    const Address& destination, const std::string& network);

}  // namespace aquifer::mesh
