// Which workload takes a connection to a service, a waypoint or a network gateway, and at which
// address. Pure: the snapshot, who asks and random numbers in. What cannot be reached is not
// chosen: on another network that is a workload without a gateway, on ours one without an address
// of the service's families and without a host name. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/base/address.h"
#include "core/base/result.h"
#include "mesh/balance.h"
#include "mesh/snapshot.h"

namespace aquifer::mesh {

// What every choice depends on. All of it outlives the choice.
struct Asker {
  const Snapshot& snapshot;
  const Workload& client;
  const Ip& destination;               // what was dialled: itself if it can be, else its family
  std::span<const std::string> tried;  // uids of endpoints that have failed: not chosen again
  const Random& random;
};

struct Upstream {
  WorkloadRef workload;
  ServiceRef service;  // whose endpoint it is; null when the workload itself was named
  // Without its IP when `named`, and when the workload is on another network.
  Address address;
  bool named = false;  // has no address: its host name leads to one
};

// The address of `workload` to dial: the one that was dialled if it is one of its own, else one of
// the service's families, preferring that of the destination.
std::optional<Ip> ChooseIp(const Workload& workload, const Service* service, const Ip& destination);

// An endpoint of `service` for a connection to one of its ports.
Result<Upstream> ChooseEndpointOf(const Asker& asker, const ServiceRef& service,
                                  std::uint16_t port);

// One of the workloads that a waypoint's reference leads to.
Result<Upstream> ChooseWaypoint(const Asker& asker, const GatewayAddress& waypoint);

// The same of a network's gateway. It is dialled from here, whichever network it is described in.
Result<Upstream> ChooseNetworkGateway(const Asker& asker, const GatewayAddress& gateway);

}  // namespace aquifer::mesh
