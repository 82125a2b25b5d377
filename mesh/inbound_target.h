// What does an inbound CONNECT lead to? Pure: our workload, the address the tunnel came in at, the
// CONNECT's authority and the snapshot in; the application's address or a refusal with its HTTP
// status out. A CONNECT for an address that is neither ours nor of something whose waypoint we are
// is refused, as are the proxy's own ports and port 0. The order is that of Istio's node proxy. Any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "mesh/snapshot.h"

namespace aquifer::mesh {

// A CONNECT's authority that is a name.
struct NamedAuthority {
  std::string host;
  std::uint16_t port = 0;
};
using InboundAuthority = std::variant<Address, NamedAuthority>;

struct InboundTarget {
  Address connect_to;     // the application in our pod
  Address tunnel_target;  // what the client meant, for the PROXY header of an application tunnel
  ApplicationTunnel::Protocol tunnel = ApplicationTunnel::Protocol::kNone;
  ServiceRef service;  // when the authority was a service's name
};

struct InboundRefusal {
  int status = 400;
  Error error{Reason::kBadRequest};
  std::string why;
};

struct InboundOptions {
  std::string network;
  std::vector<std::uint16_t> illegal_ports = {15008, 15006, 15001};
  std::vector<std::uint16_t> only_ports;  // the application's; empty: any
};

Result<InboundTarget, InboundRefusal> ResolveInbound(const Snapshot& snapshot, const Workload& own,
                                                     const Ip& local_ip,
                                                     const InboundAuthority& authority,
                                                     const InboundOptions& options);

// Which service a connection to `port` of our workload was for; null if none is likely. Only for
// telemetry. `claimed` is the hostname that the client says it meant: it counts when it is one of
// ours, otherwise the first service that leads to the port does.
ServiceRef GuessService(const Snapshot& snapshot, const Workload& own, std::uint16_t port,
                        std::string_view claimed);

}  // namespace aquifer::mesh
