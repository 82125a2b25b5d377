// The ports of one worker: HBONE for a waypoint, HTTP, TCP, TLS and UDP for a gateway's listeners.
// Follows the Gateway as it changes. One thread.
#pragma once

#include <map>
#include <memory>

#include "certs/cache.h"
#include "certs/revocation.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "hbone/server.h"
#include "waypoint/backends.h"
#include "waypoint/config.h"
#include "waypoint/connection.h"
#include "waypoint/tunnels.h"
#include "waypoint/udp_listeners.h"

namespace aquifer::waypoint {

struct ListenerParts {
  const Config& config;
  const ExchangeParts& exchange;
  Backends& backends;
  const OwnWorkload& own;
  const ConnectionLimits& limits;
  certs::CertCache& certs;
  certs::Revocations* revocations;  // null: no peer is revoked
  hbone::ConnectHandler& tunnels;
  obs::Logger& log;
};

class Listeners {
 public:
  // All references outlive it. `drain` ends listening; `stop` ends connections.
  Listeners(const ListenerParts& parts, StopToken drain, StopToken stop)
      : parts_(parts),
        drain_(drain),
        stop_(stop),
        udp_(parts.config, parts.exchange, parts.log, drain) {}

  // Opens what the Gateway has and we have not, closes what it has no more. The first failure is
  // returned; the others are opened all the same.
  Status Follow(const Gateway& gateway);
  // Ends when every connection has ended.
  Task<void> Join();
  std::size_t connections() const { return connections_; }

 private:
  struct Open {
    ListenerProtocol protocol;
    std::unique_ptr<StopSource> closing;
  };

  Status OpenPort(std::uint16_t port, ListenerProtocol protocol);
  Task<void> Accept(std::unique_ptr<io::Listener> listener, ListenerProtocol protocol,
                    std::uint16_t port, StopToken closing);
  Task<void> ServeTunnels(io::SocketPtr socket);
  Task<void> ServePlain(io::SocketPtr socket, std::uint16_t port);
  Task<void> ServeWhole(io::SocketPtr socket, ListenerProtocol protocol, std::uint16_t port);

  const ListenerParts parts_;
  const StopToken drain_;
  const StopToken stop_;
  std::map<std::uint16_t, Open> open_;
  std::vector<std::unique_ptr<StopSource>> closed_;  // their accept tasks may still be ending
  std::size_t connections_ = 0;
  UdpListeners udp_;
  Scope tasks_;
};

}  // namespace aquifer::waypoint
