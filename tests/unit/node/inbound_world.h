// Clients of a captured pod, on the World of world.h: one in the clear, and one that has a
// certificate and sends the CONNECT it likes.
#pragma once

#include "node-proxy/inbound.h"
#include "tests/unit/node/world.h"

namespace aquifer::node::test {

inline constexpr std::uint16_t kServicePort = 80;

inline mesh::Policy DenyAll() {
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
    hbone::ConnectRequest request;
    request.authority = std::move(authority);
    request.forwarded_host = std::move(host);
    co_return co_await Ask(std::move(request));
  }
  Task<Result<hbone::Tunnel, hbone::TunnelError>> Ask(hbone::ConnectRequest request) {
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

}  // namespace aquifer::node::test
