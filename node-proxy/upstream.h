// From a Route to a stream that reaches it: resolves, dials, opens the tunnel or the two. What is
// found out on the way about the far end goes into the session; why there is no stream comes back,
// for who may try another endpoint. One thread: its Loop's.
#pragma once

#include <memory>

#include "hbone/tunnel.h"
#include "mesh/classify.h"
#include "node-proxy/pod_endpoint.h"
#include "node-proxy/session.h"

namespace aquifer::node {

// One connection of a pod, as it goes from function to function. Outlives the call.
struct Outgoing {
  WorkerContext& context;
  const std::shared_ptr<PodEndpoint>& pod;
  const mesh::Workload& source;
  Address client;
  Address destination;  // as the client dialled it
};

// Gives a route without an address the one that its host name leads to.
Task<Status> Locate(const Outgoing& outgoing, mesh::Route& route, StopToken stop);

Task<Result<io::StreamPtr, hbone::TunnelError>> OpenRoute(const Outgoing& outgoing,
                                                          const mesh::Route& route,
                                                          Session& session, StopToken stop);

}  // namespace aquifer::node
