// Where an exchange gets its call to a backend from: something that knows endpoints and how to
// reach them (waypoint/upstream_pool.h, in tests a script). One worker; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "certs/identity.h"
#include "core/base/address.h"
#include "mesh/workload.h"
#include "waypoint/config_model.h"
#include "waypoint/upstream_call.h"

namespace aquifer::waypoint {

// Whom a request or connection is for.
struct Destination {
  std::optional<ServiceRef> service;  // one of its endpoints
  Address address;                    // without a service: exactly this pod and port
  // What is declared of that port, of the service's or by the services that the pod belongs to.
  mesh::AppProtocol protocol = mesh::AppProtocol::kUnknown;
};

// What is known of the backend that was chosen, for logs and metrics. Empty text: not known.
struct Endpoint {
  std::string key;  // names the endpoint among those of its service
  Address address;
  std::string workload;
  std::string workload_namespace;
  std::string canonical_name;
  std::string canonical_revision;
  std::string cluster;
  std::string principal;  // spiffe://
};

struct UpstreamRequest {
  Destination destination;
  const certs::Identity* client = nullptr;  // null: not authenticated
  Address client_address;
  bool client_speaks_h2 = false;
  // A connection that has stood idle may be closing under our hands; a request that must not be
  // sent twice had better not find that out.
  bool may_repeat = true;
  // A kept connection has just failed under this request: others may be as dead.
  bool fresh = false;
  std::uint64_t random = 0;
  std::vector<std::string> tried;  // endpoints that failed, to be avoided
};

class Upstream {
 public:
  virtual ~Upstream() = default;

  // `chosen` is set as soon as an endpoint has been chosen, also on failure. kNoHealthyUpstream:
  // there is none. kUnknownDestination: there is no such service or pod.
  virtual Task<Result<UpstreamCallPtr>> Open(UpstreamRequest request, Endpoint& chosen,
                                             StopToken stop) = 0;

  // Runs a task beside the requests, until it ends or its token fires. False if too many run; then
  // `start` is not called.
  virtual bool Detach(const std::function<Task<void>(StopToken stop)>& start) = 0;
};

}  // namespace aquifer::waypoint
