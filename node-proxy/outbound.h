// Connections that a captured pod opens: from the redirected socket to wherever the mesh says they
// belong. One function a reader starts from; the stations of a byte are in docs/path-of-a-byte.md.
#pragma once

#include "core/io/socket.h"
#include "node-proxy/pod_endpoint.h"

namespace aquifer::node {

Task<void> ServeOutbound(WorkerContext& context, std::shared_ptr<PodEndpoint> pod,
                         io::SocketPtr client, StopToken stop);

}  // namespace aquifer::node
