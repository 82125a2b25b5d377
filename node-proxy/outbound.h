// Connections that a captured pod opens: from the redirected socket to wherever the mesh says they
// belong. One function a reader starts from; the stations of a byte are in docs/path-of-a-byte.md.
#pragma once

#include "core/io/socket.h"
#include "node-proxy/pod_endpoint.h"
#include "node-proxy/session.h"

namespace aquifer::node {

// A stream to where `client`, a connection of `pod`, wants to go: to `destination`, or when that is
// null to where it was going when it was redirected. Ends early when the client is reset. What
// comes of it is in the session too.
Task<Result<io::StreamPtr>> OpenOutbound(WorkerContext& context,
                                         const std::shared_ptr<PodEndpoint>& pod,
                                         io::Socket& client, const Address* destination,
                                         Session& session, StopToken stop);

Task<void> ServeOutbound(WorkerContext& context, std::shared_ptr<PodEndpoint> pod,
                         io::SocketPtr client, StopToken stop);

}  // namespace aquifer::node
