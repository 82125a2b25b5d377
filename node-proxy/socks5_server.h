// Connections that a pod opens by SOCKS on its loopback, instead of being captured: asked for where
// they go, and from there on like all others (node-proxy/outbound.h). One thread: its Loop's.
#pragma once

#include "core/io/socket.h"
#include "mesh/snapshot.h"
#include "node-proxy/pod_endpoint.h"

namespace aquifer::node {

Task<void> ServeSocks5(WorkerContext& context, std::shared_ptr<PodEndpoint> pod,
                       io::SocketPtr client, StopToken stop);

// The address of a service that a pod of `ns` means by `host`, under the names that a question by
// DNS would be tried with (node-proxy/dns/resolver.h). Of the family of `like` if there is one;
// none if the name is no service's, or the service has no address.
std::optional<Ip> AddressOfService(const mesh::Snapshot& snapshot, std::string_view host,
                                   std::string_view ns, std::string_view domain,
                                   const std::string& network, const Ip& like);

}  // namespace aquifer::node
