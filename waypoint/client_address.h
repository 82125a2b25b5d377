// Which address a request comes from in the eyes of remoteIpBlocks: the connection's peer, or what
// proxies that we trust say in X-Forwarded-For (meshConfig's numTrustedProxies). Pure, any thread.
#pragma once

#include <cstdint>

#include "core/base/address.h"
#include "core/http/header.h"

namespace aquifer::waypoint {

enum class Edge {
  kGateway,   // we are the first proxy: our own peer is an entry behind all others
  kWaypoint,  // a gateway before us has appended its peer already
};

// The peer when the header has no such entry or the entry is no address.
Ip RemoteAddress(const http::HeaderList& headers, const Ip& peer, Edge edge,
                 std::uint32_t num_trusted_proxies);

}  // namespace aquifer::waypoint
