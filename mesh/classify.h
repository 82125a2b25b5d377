// Where does a captured connection go? Pure: the captured workload, the address it dialled and the
// snapshot in; a Route or the reason there is none out. No I/O, clock or lock. A waypoint that is
// bound is never gone around: when it cannot be resolved the connection is refused. The order of
// the questions is that of Istio's node proxy. Any thread.
#pragma once

#include <cstdint>
#include <span>
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

enum class Protocol : std::uint8_t {
  kTcp,
  kHbone,
  kDoubleHbone,  // into another network: a tunnel to its gateway, and in it one to the far side
};

// The far side of a tunnel in a tunnel. It is only known by the name of the service.
struct FarSide {
  std::string host;  // with `port` the authority of both CONNECTs
  std::uint16_t port = 0;
  // Whom it may prove to be: what its service lists, and nobody if that is nothing. Which workload
  // answers is the far network's choice, so no workload's own identity is among them.
  std::vector<certs::Identity> identities;
};

struct Route {
  Protocol protocol = Protocol::kTcp;
  Address connect_to;                       // kTcp: the application; else the HBONE server
  Address target;                           // kHbone: the CONNECT's authority
  std::vector<certs::Identity> identities;  // unless kTcp: whom the server may prove to be
  FarSide far;                              // kDoubleHbone
  bool to_waypoint = false;

  // Not empty: who is to be connected to has no address but this name. What it leads to goes into
  // SetAddress; of the families that `families` allows.
  std::string hostname;
  IpFamilies families = IpFamilies::kAutomatic;

  // For labels; null when unknown.
  WorkloadRef destination;  // the waypoint's when to_waypoint
  ServiceRef service;       // the one that was addressed
  // Whose connect_to is: an endpoint, a waypoint or a gateway. Null when nobody is known there.
  WorkloadRef dialled;

  void SetAddress(const Ip& ip) {
    connect_to.ip = ip;
    if (!to_waypoint) target.ip = ip;
  }
};

struct ClassifyOptions {
  std::string network;
  std::uint16_t hbone_port = 15008;
  std::vector<std::uint16_t> illegal_ports = {
      15008, 15006, 15001};  // ours: loopback destinations with these would come back
};

// Whether a connection from a pod to `destination` would come back to its own proxy.
bool ComesBack(const Address& destination, const ClassifyOptions& options);

// `random` chooses among endpoints; those whose uid is among `tried` are not chosen.
Result<Route> Classify(const Snapshot& snapshot, const Workload& source, const Address& destination,
                       const ClassifyOptions& options, const Random& random,
                       std::span<const std::string> tried = {});

}  // namespace aquifer::mesh
