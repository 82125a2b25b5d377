#include "waypoint/listeners.h"

#include "waypoint/l4_connection.h"

namespace aquifer::waypoint {
namespace {

// Of one worker, HTTP and tunnels' carriers together: beyond it new connections are closed at once.
constexpr std::size_t kMaxConnections = 20'000;
constexpr auto kAcceptPause = std::chrono::milliseconds(50);

Ip AnyAddress(const Config& config) { return config.ipv6 ? Ip::Any6() : Ip::Any4(); }

// What the Gateway wants, by port. A waypoint's tunnels are served whatever its listeners say.
std::map<std::uint16_t, ListenerProtocol> Wanted(const Gateway& gateway, const Config& config) {
  std::map<std::uint16_t, ListenerProtocol> wanted;
  if (gateway.is_waypoint) {
    wanted[config.hbone_port] = ListenerProtocol::kHbone;
    return wanted;
  }
  for (const Listener& listener : gateway.listeners) {
    const bool by_connection = listener.protocol == ListenerProtocol::kHttp ||
                               listener.protocol == ListenerProtocol::kTcp ||
                               listener.protocol == ListenerProtocol::kTls;
    if (by_connection) wanted[listener.port] = listener.protocol;
  }
  return wanted;
}

}  // namespace

Status Listeners::Follow(const Gateway& gateway) {
  const std::map<std::uint16_t, ListenerProtocol> wanted = Wanted(gateway, parts_.config);
  for (auto open = open_.begin(); open != open_.end();) {
    const auto found = wanted.find(open->first);
    if (found != wanted.end() && found->second == open->second.protocol) {
      ++open;
      continue;
    }
    open->second.closing->RequestStop();
    closed_.push_back(std::move(open->second.closing));
    open = open_.erase(open);
  }
  Status first;
  for (const auto& [port, protocol] : wanted) {
    if (open_.contains(port) || drain_.requested()) continue;
    const Status opened = OpenPort(port, protocol);
    if (!opened) {
      parts_.log.Error("waypoint", "cannot listen",
                       {{"port", port}, {"error", Describe(opened.error())}});
      if (first.ok()) first = opened;
    }
  }
  const Status datagrams = udp_.Follow(gateway);
  return first.ok() ? datagrams : first;
}

Task<void> Listeners::Join() {
  co_await tasks_.Join();
  co_await udp_.Join();
}

Status Listeners::OpenPort(std::uint16_t port, ListenerProtocol protocol) {
  io::ListenOptions options;
  options.reuse_port = true;
  Result<std::unique_ptr<io::Listener>> listener =
      io::Listener::Listen(Address{AnyAddress(parts_.config), port}, options);
  if (!listener && parts_.config.ipv6) {
    listener = io::Listener::Listen(Address{Ip::Any4(), port}, options);
  }
  if (!listener) return listener.error();
  auto closing = std::make_unique<StopSource>(drain_);
  const StopToken token = closing->token();
  open_.emplace(port, Open{protocol, std::move(closing)});
  tasks_.Spawn(Accept(*std::move(listener), protocol, port, token));
  return Status();
}

Task<void> Listeners::Accept(std::unique_ptr<io::Listener> listener, ListenerProtocol protocol,
                             std::uint16_t port, StopToken closing) {
  while (!closing.requested()) {
    Result<io::SocketPtr> socket = co_await listener->Accept(closing);
    if (!socket) {
      if (closing.requested()) break;
      (void)co_await SleepFor(kAcceptPause, closing);
      continue;
    }
    if (connections_ >= kMaxConnections) {
      (*socket)->Reset();
      continue;
    }
    ++connections_;
    if (protocol == ListenerProtocol::kHbone) {
      tasks_.Spawn(ServeTunnels(*std::move(socket)));
    } else if (protocol == ListenerProtocol::kHttp) {
      tasks_.Spawn(ServePlain(*std::move(socket), port));
    } else {
      tasks_.Spawn(ServeWhole(*std::move(socket), protocol, port));
    }
  }
}

Task<void> Listeners::ServeTunnels(io::SocketPtr socket) {
  Result<certs::CertRef> certificate = co_await parts_.certs.Get(parts_.own.identity, stop_);
  if (!certificate) {
    parts_.tunnels.OnHandshakeFailed(socket->peer(), socket->local(), certificate.error(),
                                     "no certificate of our own");
  } else {
    // Aliases of the trust domain are the roots' affair; one name is expected of peers.
    certs::PeerExpectation expected = certs::InTrustDomain{parts_.config.trust_domain};
    hbone::ServerOptions options;
    options.handshake_timeout = parts_.config.handshake_timeout;
    options.revocations = parts_.revocations;
    co_await hbone::ServeConnection(std::move(socket), (*certificate)->server, std::move(expected),
                                    options, parts_.tunnels, drain_, stop_);
  }
  --connections_;
}

Task<void> Listeners::ServePlain(io::SocketPtr socket, std::uint16_t port) {
  io::SetTunnelOptions(socket->fd());
  const ConnectionContext context{.edge = Edge::kGateway,
                                  .peer = std::nullopt,
                                  .peer_address = socket->peer(),
                                  .local_address = Address{socket->local().ip, port},
                                  .destination = std::nullopt};
  co_await ServeHttp(std::move(socket), Chunk(), parts_.exchange, context, parts_.limits, drain_,
                     stop_);
  --connections_;
}

Task<void> Listeners::ServeWhole(io::SocketPtr socket, ListenerProtocol protocol,
                                 std::uint16_t port) {
  io::SetTunnelOptions(socket->fd());
  co_await ServeL4(std::move(socket), protocol, port, parts_.backends, parts_.exchange, stop_);
  --connections_;
}

}  // namespace aquifer::waypoint
