#include "node-proxy/inbound.h"

#include "tests/support/run_task.h"
#include "tests/unit/node/world.h"

namespace aquifer::node {
namespace {

using test::AcceptOne;
using test::Dial;
using test::Hear;
using test::kServerIp;
using test::ListenAt;
using test::Say;
using test::World;

constexpr std::uint16_t kServicePort = 80;

mesh::Policy DenyAll() {
  mesh::Policy policy = mesh::PolicyFor("deny-all", mesh::PolicyScope::kNamespace);
  policy.action = mesh::PolicyAction::kDeny;
  policy.rules = {{}};
  return policy;
}

// A client in the clear. Where it is connected to is the application: the same listener, whose
// second connection is the one that the proxy dials.
struct Clear {
  explicit Clear(World& w)
      : world(w), listener(ListenAt(kServerIp)), server(w.Endpoint("server", "web")) {
    world.Populate(kServicePort, listener->local().port);
  }
  Task<void> Connect() {
    client = co_await Dial(listener->local());
    io::SocketPtr accepted = co_await AcceptOne(*listener);
    serving.Spawn(ServeInboundPlaintext(world.context, *server, false, std::move(accepted),
                                        world.stop.token()));
  }
  Task<void> ConnectThrough() {
    co_await Connect();
    application = co_await AcceptOne(*listener);
  }

  World& world;
  std::unique_ptr<io::Listener> listener;
  std::shared_ptr<PodEndpoint> server;
  io::SocketPtr client, application;
  Scope serving;
};

Task<void> CarriesClearText() {
  World world;
  Clear clear(world);
  co_await clear.ConnectThrough();
  co_await Say(*clear.client, "ping");
  CHECK(co_await Hear(*clear.application) == "ping");
  co_await Say(*clear.application, "pong");
  CHECK(co_await Hear(*clear.client) == "pong");
  CHECK((co_await clear.client->ShutdownWrite(StopToken())).ok());
  CHECK(co_await Hear(*clear.application) == "FIN");
  CHECK((co_await clear.application->ShutdownWrite(StopToken())).ok());
  CHECK(co_await Hear(*clear.client) == "FIN");
  co_await clear.serving.Join();
  CHECK(world.lines
            .With({"connection complete", "dst.service=\"web.example\"", "direction=\"inbound\"",
                   "bytes_sent=4 bytes_recv=4"})
            .size() == 1);
  CHECK(world.lines.With({"identity"}).empty());
  co_await world.End();
}

TEST_CASE("clear text to a pod is carried to its application") {
  aquifer::test::Run(CarriesClearText());
}

Task<void> DeniesClearText() {
  World world;
  Clear clear(world);
  world.builder.Put(DenyAll());
  world.Publish();
  co_await clear.Connect();
  const std::string end = co_await Hear(*clear.client);
  CHECK((end == "FIN" || end == "peer_reset"));
  co_await clear.serving.Join();
  CHECK(world.lines.With({"\terror\t", "default/deny-all"}).size() == 1);
  CHECK(world.Closed("DENY") == 1);
  TimedStop soon(StopToken(), std::chrono::milliseconds(20), Reason::kTimeout);
  CHECK_FALSE((co_await clear.listener->Accept(soon.token())).ok());
  co_await world.End();
}

TEST_CASE("the application never hears of clear text that a policy denies") {
  aquifer::test::Run(DeniesClearText());
}

Task<void> EndsOnPolicy() {
  World world;
  Clear clear(world);
  co_await clear.ConnectThrough();
  world.builder.Put(DenyAll());
  world.Publish();
  CHECK(co_await Hear(*clear.client) == "peer_reset");
  CHECK(co_await Hear(*clear.application) == "peer_reset");
  co_await clear.serving.Join();
  CHECK(world.lines.With({"\terror\t", "policy"}).size() == 1);
  CHECK(world.Closed("DENY") == 1);
  co_await world.End();
}

TEST_CASE("a policy that is applied later resets clear text at both ends") {
  aquifer::test::Run(EndsOnPolicy());
}

Task<void> RefusesOwnPorts() {
  World world;
  Clear clear(world);
  world.context.classify.illegal_ports = {clear.listener->local().port};
  co_await clear.Connect();
  CHECK(co_await Hear(*clear.client) == "peer_reset");
  co_await clear.serving.Join();
  CHECK(world.lines.With({"\twarn\t", "connection failed"}).size() == 1);
  co_await world.End();
}

TEST_CASE("clear text to the proxy's own port is refused") {
  aquifer::test::Run(RefusesOwnPorts());
}

Task<void> ResetsWhenNobodyListens() {
  World world;
  Clear clear(world);
  clear.client = co_await Dial(clear.listener->local());
  io::SocketPtr accepted = co_await AcceptOne(*clear.listener);
  clear.listener.reset();
  clear.serving.Spawn(ServeInboundPlaintext(world.context, *clear.server, false,
                                            std::move(accepted), world.stop.token()));
  CHECK(co_await Hear(*clear.client) == "peer_reset");
  co_await clear.serving.Join();
  CHECK(world.Closed("CONNECT") == 1);
  co_await world.End();
}

TEST_CASE("clear text that no application takes is reset") {
  aquifer::test::Run(ResetsWhenNobodyListens());
}

// A peer with a certificate that sends the CONNECT it likes.
struct Peer {
  explicit Peer(World& w)
      : world(w),
        server(w.Endpoint("server", "web")),
        client(w.Endpoint("client", "default")),
        handler(w.context, *server, false),
        application(ListenAt(kServerIp)) {
    world.Populate(kServicePort, application->local().port);
  }
  Task<void> Serve() {
    io::SocketPtr accepted = co_await AcceptOne(*world.hbone);
    co_await ServeInbound(world.context, *server, handler, std::move(accepted), drain.token(),
                          world.stop.token());
  }
  Task<Result<hbone::Tunnel, hbone::TunnelError>> Open(hbone::Authority authority,
                                                       std::string host = {}) {
    if (!served) serving.Spawn(Serve());
    served = true;
    const certs::Identity own{"cluster.local", "default", "default"};
    Result<certs::CertRef> certificate = co_await world.certs.Get(own, StopToken());
    REQUIRE(certificate.ok());
    hbone::PoolKey key{.source = own,
                       .origin = "uid-client",
                       .expected = {{"cluster.local", "default", "web"}},
                       .expected_trust_domain = {},
                       .gateway = world.hbone->local()};
    hbone::ConnectRequest request;
    request.authority = std::move(authority);
    request.forwarded_host = std::move(host);
    co_return co_await world.pool.Open(std::move(key), client, (*certificate)->client,
                                       std::move(request), StopToken());
  }
  Task<void> End() {
    co_await world.End();
    co_await serving.Join();
  }

  World& world;
  std::shared_ptr<PodEndpoint> server, client;
  InboundHandler handler;
  std::unique_ptr<io::Listener> application;
  StopSource drain;
  bool served = false;
  Scope serving;
};

Task<void> ConnectsToTheApplication() {
  World world;
  Peer peer(world);
  auto tunnel = co_await peer.Open(peer.application->local(), "web.example");
  REQUIRE(tunnel.ok());
  io::SocketPtr application = co_await AcceptOne(*peer.application);
  co_await Say(*tunnel->stream, "ping");
  CHECK(co_await Hear(*application) == "ping");
  application->Reset();
  application.reset();
  CHECK(co_await Hear(*tunnel->stream) == "peer_reset");
  tunnel->stream->Reset();
  tunnel->stream.reset();
  co_await World::Until([&] { return world.Closed("-") == 1; });
  CHECK(world.lines
            .With({"\tinfo\t", "src.identity=\"spiffe://cluster.local/ns/default/sa/default\"",
                   "dst.identity=\"spiffe://cluster.local/ns/default/sa/web\"",
                   "dst.service=\"web.example\""})
            .size() == 1);
  co_await peer.End();
}

TEST_CASE("a CONNECT leads to the application, and a reset of it back to the peer") {
  aquifer::test::Run(ConnectsToTheApplication());
}

Task<void> AnswersRefusals() {
  World world;
  Peer peer(world);
  const auto stranger = co_await peer.Open(Address{Ip::V4(10, 9, 9, 9), 80});
  REQUIRE_FALSE(stranger.ok());
  CHECK(stranger.error().status == 400);
  const auto unknown = co_await peer.Open(hbone::HostPort{"other.example", 80});
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.error().status == 503);
  const auto own = co_await peer.Open(Address{kServerIp, 15006});
  REQUIRE_FALSE(own.ok());
  CHECK(own.error().status == 503);
  co_await World::Until(
      [&] { return world.lines.With({"\twarn\t", "connection failed"}).size() == 3; });
  CHECK(world.lines.With({"ip mismatch: 10.9.9.9 != 127.0.0.2"}).size() == 1);
  CHECK(world.registry.Text().find("connections_opened") == std::string::npos);
  const Address there = peer.application->local();
  peer.application.reset();
  const auto closed = co_await peer.Open(there);
  REQUIRE_FALSE(closed.ok());
  CHECK(closed.error().status == 503);
  world.builder.Put(DenyAll());
  world.Publish();
  const auto denied = co_await peer.Open(there);
  REQUIRE_FALSE(denied.ok());
  CHECK(denied.error().status == 401);
  CHECK(denied.error().refusal.find("default/deny-all") != std::string::npos);
  co_await World::Until([&] { return world.Closed("DENY") == 1; });
  CHECK(world.Closed("CONNECT") == 1);
  co_await peer.End();
}

TEST_CASE("a CONNECT that is refused is answered with the status that peers expect") {
  aquifer::test::Run(AnswersRefusals());
}

Task<void> EndsTunnelsOnPolicy() {
  World world;
  Peer peer(world);
  auto tunnel = co_await peer.Open(peer.application->local());
  REQUIRE(tunnel.ok());
  io::SocketPtr application = co_await AcceptOne(*peer.application);
  world.builder.Put(DenyAll());
  world.Publish();
  CHECK(co_await Hear(*tunnel->stream) == "peer_reset");
  CHECK(co_await Hear(*application) == "peer_reset");
  tunnel->stream.reset();
  co_await World::Until([&] { return world.Closed("DENY") == 1; });
  co_await peer.End();
}

TEST_CASE("a policy that is applied later resets a tunnel's stream and its application") {
  aquifer::test::Run(EndsTunnelsOnPolicy());
}

// Else the application would take the peer's word for who it is.
Task<void> RefusesProxyProtocol() {
  World world;
  Peer peer(world);
  mesh::Workload server = World::Server(kServicePort, peer.application->local().port);
  server.application_tunnel =
      mesh::ApplicationTunnel{.protocol = mesh::ApplicationTunnel::Protocol::kProxy,
                              .port = peer.application->local().port};
  world.builder.Put(server);
  world.Publish();
  const auto refused = co_await peer.Open(Address{kServerIp, 8080});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().status == 503);
  CHECK(refused.error().refusal.find("PROXY") != std::string::npos);
  co_await World::Until([&] {
    return world.lines.With({"\twarn\t", "connection failed", "PROXY protocol"}).size() == 1;
  });
  TimedStop soon(StopToken(), std::chrono::milliseconds(20), Reason::kTimeout);
  CHECK_FALSE((co_await peer.application->Accept(soon.token())).ok());
  co_await peer.End();
}

TEST_CASE("an application that wants the PROXY protocol gets no tunnel without it") {
  aquifer::test::Run(RefusesProxyProtocol());
}

}  // namespace
}  // namespace aquifer::node
