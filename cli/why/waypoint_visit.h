// What a waypoint makes of a tunnel and what is in it: binding, policies in the order in which they
// are asked, route, and where it sends it. By the waypoint's own code on the rules that the control
// plane would serve it. Pure.
#pragma once

#include <string>
#include <vector>

#include "certs/identity.h"
#include "cli/why/judged.h"
#include "cli/why/question.h"
#include "waypoint/backends.h"
#include "waypoint/client_address.h"

namespace aquifer::cli {

struct Visit {
  certs::Identity client;
  Ip source;
  Address authority;                    // of the CONNECT
  std::optional<AskedRequest> request;  // nothing: whatever the port is declared to carry
  std::string host;                     // of the request, where it names none
};

// One place that the waypoint may send it to.
struct Onward {
  mesh::Route route;
  std::string through;  // which rule and backend; empty where there is no choice
};

struct Visited {
  Judged judged;
  certs::Identity identity;  // of the waypoint
  Ip address;
  std::vector<Onward> onward;  // empty: it ends here
};

// `proxy` is the waypoint's pod.
Visited VisitWaypoint(const Model& model, const mesh::WorkloadRef& proxy, const Visit& visit);

// Where a proxy of ours that is no node proxy sends what is for `destination`: all endpoints, at
// most kMaxEndpoints. Empty: there is none.
inline constexpr size_t kMaxEndpoints = 64;
std::vector<mesh::Route> RoutesFrom(const Model& model, const mesh::Workload& proxy,
                                    waypoint::Edge edge, const waypoint::Destination& destination,
                                    const certs::Identity* client);

}  // namespace aquifer::cli
