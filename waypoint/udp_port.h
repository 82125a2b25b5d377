// One UDP port of a gateway, as one worker serves it. The datagrams of a client's address and port
// are a session with one endpoint of one backend, until nothing was said for a while, policies or
// routes end it, or the port is closed. The mesh has no tunnels for datagrams: they go in the
// clear. A session costs memory, a datagram does not. One thread: its Loop's.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/io/datagram.h"
#include "core/obs/log.h"
#include "core/obs/rate_limiter.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "waypoint/connection_context.h"

namespace aquifer::waypoint {

// What all ports of a worker have in common.
struct UdpShared {
  // Beyond them the first datagram of a client is dropped.
  static constexpr std::size_t kMaxSessions = 4096;

  std::size_t sessions = 0;
  std::array<std::uint8_t, 64 * 1024> buffer;  // of one datagram at a time
  obs::RateLimiter dropped{10};
};

class UdpPort {
 public:
  // `local` is what policies take for the destination. All references outlive it.
  UdpPort(io::DatagramSocket socket, Address local, const ExchangeParts& parts, obs::Logger& log,
          UdpShared& shared)
      : socket_(std::move(socket)), local_(local), parts_(parts), log_(log), shared_(shared) {}

  // Until `closing`, which ends the sessions too.
  Task<void> Run(StopToken closing);

 private:
  struct Session;

  void TakeArrivals(StopToken closing);
  void Deliver(const Address& client, Bytes datagram, StopToken closing);
  Session* Begin(const Address& client, StopToken closing);
  Session* Drop(const Address& client, std::string_view why);
  Task<void> Serve(std::unique_ptr<Session> session, StopToken closing);
  void TakeReplies(Session& session);
  static std::optional<std::string> WhyEnd(const Rules& rules, const Session& session);

  io::DatagramSocket socket_;
  const Address local_;
  const ExchangeParts& parts_;
  obs::Logger& log_;
  UdpShared& shared_;
  absl::flat_hash_map<Address, Session*> sessions_;  // each is its task's
  Scope tasks_;
};

}  // namespace aquifer::waypoint
