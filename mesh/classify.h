// Where does a captured connection go? Pure: the captured workload, the address it dialled and the
// snapshot in; a Route or the reason there is none out. No I/O, clock or lock. A waypoint that is
// bound is never gone around: when it cannot be resolved the connection is refused. The order of
// the questions is that of Istio's node proxy. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "certs/identity.h"
#include "core/base/address.h"
#include "core/base/result.h"
#include "mesh/balance.h"
#include "mesh/snapshot.h"

namespace aquifer::mesh {

enum class Protocol : std::uint8_t { kTcp, kHbone };

struct Route {
  Protocol protocol = Protocol::kTcp;
  Address connect_to;                       // kTcp: the application; kHbone: the HBONE server
  Address target;                           // kHbone: the CONNECT's authority
  std::vector<certs::Identity> identities;  // kHbone: whom the server may prove to be
  bool to_waypoint = false;

  // For labels; null when unknown.
  WorkloadRef destination;  // the waypoint's when to_waypoint
  ServiceRef service;       // the one that was addressed
};

struct ClassifyOptions {
  std::string network;
  std::uint16_t hbone_port = 15008;
  std::vector<std::uint16_t> illegal_ports = {
      15008, 15006, 15001};  // ours: loopback destinations with these would come back
};

// `random` chooses among endpoints.
Result<Route> Classify(const Snapshot& snapshot, const Workload& source, const Address& destination,
                       const ClassifyOptions& options, const Random& random);

// An endpoint, and where it takes connections for a service port.
struct Resolved {
  WorkloadRef workload;
  Address address;
};

// Resolves a GatewayAddress (waypoint or gateway) to one of its workloads. Also how the inbound
// side asks whether a workload is somebody's waypoint. `client` null: no locality.
Result<Resolved> ResolveGateway(const Snapshot& snapshot, const GatewayAddress& gateway,
                                const Workload* client, const Ip& prefer_family_of,
                                std::string_view network, const Random& random);

}  // namespace aquifer::mesh
