// One connection to a TCP or TLS listener of a gateway: its route is found by the port, or by the
// server name that the client's TLS asks for, a backend of it by weight, and the rest is
// waypoint/tcp_proxy.h. What no route takes is reset without an answer. One thread: its Loop's.
#pragma once

#include "core/io/socket.h"
#include "waypoint/backends.h"
#include "waypoint/connection_context.h"

namespace aquifer::waypoint {

// `protocol` is kTcp or kTls. All references outlive the call.
Task<void> ServeL4(io::SocketPtr socket, ListenerProtocol protocol, std::uint16_t port,
                   Backends& backends, const ExchangeParts& parts, StopToken stop);

}  // namespace aquifer::waypoint
