// Revocation lists that change under live HBONE connections, over loopback.
#include "tests/support/run_task.h"
#include "tests/unit/certs/crl_signer.h"
#include "tests/unit/node/world.h"

namespace aquifer::node {
namespace {

using test::AcceptOne;
using test::Dial;
using test::Hear;
using test::kServerIp;
using test::kServiceIp;
using test::ListenAt;
using test::Say;
using test::World;

// A client of the service and a server, whose proxies look at the same lists.
struct Pair {
  explicit Pair(World& w)
      : world(w),
        outbound(ListenAt(kServiceIp)),
        application(ListenAt(kServerIp)),
        client_pod(w.Endpoint("client", "default")),
        server_pod(w.Endpoint("server", "web")),
        handler(w.context, *server_pod, false),
        signer(w.authority.ca) {
    world.Populate(outbound->local().port, application->local().port);
  }
  Task<void> ServeHbone() {
    while (true) {
      Result<io::SocketPtr> accepted = co_await world.hbone->Accept(world.stop.token());
      if (!accepted) co_return;
      hbone.Spawn(ServeInbound(world.context, *server_pod, handler, *std::move(accepted),
                               StopToken(), world.stop.token()));
    }
  }
  Task<void> Connect() {
    client = co_await Dial(outbound->local());
    io::SocketPtr accepted = co_await AcceptOne(*outbound);
    serving.Spawn(
        ServeOutbound(world.context, client_pod, std::move(accepted), world.stop.token()));
  }
  Task<void> ConnectThrough() {
    hbone.Spawn(ServeHbone());
    co_await Connect();
    server = co_await AcceptOne(*application);
    co_await Say(*client, "ping");
    CHECK(co_await Hear(*server) == "ping");
  }
  Task<void> End() {
    co_await serving.Join();
    co_await world.End();
    co_await hbone.Join();
  }
  // The number of the certificate that the store has for `account`.
  std::string SerialOf(const std::string& account) const {
    const certs::CertRef certificate = world.certs.Peek({"cluster.local", "default", account});
    REQUIRE(certificate != nullptr);
    return certificate->bundle.leaf().serial_number;
  }
  certs::CrlSetRef Revoking(const std::string& account) const {
    const auto set = certs::CrlSet::Parse(signer.Pem({SerialOf(account)}));
    REQUIRE(set.ok());
    return *set;
  }
  bool Counted(const std::string& reporter, int count) const {
    return world.registry.Text().find("istio_crl_policy_rejections_total{reporter=\"" + reporter +
                                      "\"} " + std::to_string(count)) != std::string::npos;
  }

  World& world;
  std::unique_ptr<io::Listener> outbound, application;
  std::shared_ptr<PodEndpoint> client_pod, server_pod;
  InboundHandler handler;
  certs::test::CrlSigner signer;
  io::SocketPtr client, server;
  Scope serving, hbone;
};

Task<void> EndsInbound() {
  World world;
  Pair pair(world);
  co_await pair.ConnectThrough();
  world.revocations.SetLists(pair.Revoking("default"));
  CHECK(co_await Hear(*pair.server) == "peer_reset");
  CHECK(co_await Hear(*pair.client) == "peer_reset");
  co_await pair.serving.Join();
  co_await World::Until([&] { return world.revocations.watched() == 0; });
  CHECK(world.lines.With({"\terror\t", "direction=\"inbound\"", "revoked"}).size() == 1);
  CHECK(world.Closed("CERT_REVOKED") == 1);
  CHECK(pair.Counted("destination", 1));
  CHECK_FALSE(pair.Counted("source", 1));
  co_await pair.End();
}

TEST_CASE("an open inbound connection ends when its client's certificate is revoked") {
  aquifer::test::Run(EndsInbound());
}

Task<void> EndsOutbound() {
  World world;
  Pair pair(world);
  co_await pair.ConnectThrough();
  world.revocations.SetLists(pair.Revoking("web"));
  CHECK(co_await Hear(*pair.client) == "peer_reset");
  CHECK(co_await Hear(*pair.server) == "peer_reset");
  co_await pair.serving.Join();
  CHECK(world.lines.With({"\terror\t", "direction=\"outbound\"", "revoked"}).size() == 1);
  CHECK(world.Closed("CERT_REVOKED") == 1);
  CHECK(pair.Counted("source", 1));
  CHECK_FALSE(pair.Counted("destination", 1));
  // The tunnel is not offered to the next one.
  co_await World::Until([&] { return world.pool.connections() == 0; });
  co_await pair.End();
}

TEST_CASE("an open outbound connection ends when its server's certificate is revoked") {
  aquifer::test::Run(EndsOutbound());
}

Task<void> EndsIdleTunnels() {
  World world;
  Pair pair(world);
  co_await pair.ConnectThrough();
  CHECK((co_await pair.client->ShutdownWrite(StopToken())).ok());
  CHECK((co_await pair.server->ShutdownWrite(StopToken())).ok());
  CHECK(co_await Hear(*pair.client) == "FIN");
  CHECK(co_await Hear(*pair.server) == "FIN");
  co_await pair.serving.Join();
  co_await World::Until([&] {
    return world.lines.With({"connection complete", "direction=\"inbound\""}).size() == 1;
  });
  CHECK(world.pool.connections() == 1);
  world.revocations.SetLists(pair.Revoking("default"));
  co_await World::Until([&] { return world.pool.connections() == 0; });
  co_await World::Until(
      [&] { return world.lines.With({"HBONE connection broken", "reason=revoked"}).size() == 1; });
  CHECK(world.Closed("CERT_REVOKED") == 0);
  co_await pair.End();
}

TEST_CASE("a pooled tunnel without a stream ends with a revoked certificate too") {
  aquifer::test::Run(EndsIdleTunnels());
}

Task<void> RejectsInbound() {
  World world;
  Pair pair(world);
  std::ignore = co_await world.certs.Get({"cluster.local", "default", "default"}, StopToken());
  world.revocations.SetLists(pair.Revoking("default"));
  pair.hbone.Spawn(pair.ServeHbone());
  co_await pair.Connect();
  CHECK(co_await Hear(*pair.client) == "peer_reset");
  co_await pair.serving.Join();
  co_await World::Until(
      [&] { return !world.lines.With({"HBONE handshake failed", "reason=revoked"}).empty(); });
  CHECK(world.registry.Text().find("istio_crl_policy_rejections_total{reporter=\"destination\"}") !=
        std::string::npos);
  CHECK_FALSE(pair.Counted("source", 1));
  co_await pair.End();
}

TEST_CASE("a client whose certificate is revoked gets no connection") {
  aquifer::test::Run(RejectsInbound());
}

Task<void> RejectsOutbound() {
  World world;
  Pair pair(world);
  std::ignore = co_await world.certs.Get({"cluster.local", "default", "web"}, StopToken());
  world.revocations.SetLists(pair.Revoking("web"));
  pair.hbone.Spawn(pair.ServeHbone());
  co_await pair.Connect();
  CHECK(co_await Hear(*pair.client) == "peer_reset");
  co_await pair.serving.Join();
  CHECK(pair.Counted("source", 1));
  CHECK(world.Closed("CERT_REVOKED") == 1);
  co_await pair.End();
}

TEST_CASE("nothing is sent to a server whose certificate is revoked") {
  aquifer::test::Run(RejectsOutbound());
}

Task<void> RefusesUnread() {
  World world;
  Pair pair(world);
  world.revocations.SetLists(nullptr);
  pair.hbone.Spawn(pair.ServeHbone());
  co_await pair.Connect();
  CHECK(co_await Hear(*pair.client) == "peer_reset");
  co_await pair.serving.Join();
  CHECK(world.Closed("TLS_FAILURE") == 1);
  co_await pair.End();
}

TEST_CASE("lists that nobody can read let no new connection through") {
  aquifer::test::Run(RefusesUnread());
}

}  // namespace
}  // namespace aquifer::node
