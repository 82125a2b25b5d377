// Revocation lists that change under live HBONE connections, over loopback.
#include "tests/support/run_task.h"
#include "tests/unit/certs/crl_signer.h"
#include "tests/unit/node/outbound_world.h"

namespace aquifer::node {
namespace {

using test::Hear;
using test::Say;
using test::World;

// Both proxies look at the same lists.
struct Watched : test::Pair {
  explicit Watched(World& w) : Pair(w), signer(w.authority.ca) {}
  Task<void> Talk() {
    co_await ConnectThrough();
    co_await Say(*client, "ping");
    CHECK(co_await Hear(*server) == "ping");
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

  certs::test::CrlSigner signer;
};

Task<void> EndsInbound() {
  World world;
  Watched pair(world);
  co_await pair.Talk();
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
  Watched pair(world);
  co_await pair.Talk();
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
  Watched pair(world);
  co_await pair.Talk();
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
  Watched pair(world);
  std::ignore = co_await world.certs.Get({"cluster.local", "default", "default"}, StopToken());
  world.revocations.SetLists(pair.Revoking("default"));
  pair.hbone.Spawn(pair.ServeHbone());
  co_await pair.IsReset();
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
  Watched pair(world);
  std::ignore = co_await world.certs.Get({"cluster.local", "default", "web"}, StopToken());
  world.revocations.SetLists(pair.Revoking("web"));
  pair.hbone.Spawn(pair.ServeHbone());
  co_await pair.IsReset();
  CHECK(pair.Counted("source", 1));
  CHECK(world.Closed("CERT_REVOKED") == 1);
  co_await pair.End();
}

TEST_CASE("nothing is sent to a server whose certificate is revoked") {
  aquifer::test::Run(RejectsOutbound());
}

Task<void> RefusesUnread() {
  World world;
  Watched pair(world);
  world.revocations.SetLists(nullptr);
  pair.hbone.Spawn(pair.ServeHbone());
  co_await pair.IsReset();
  CHECK(world.Closed("TLS_FAILURE") == 1);
  co_await pair.End();
}

TEST_CASE("lists that nobody can read let no new connection through") {
  aquifer::test::Run(RefusesUnread());
}

}  // namespace
}  // namespace aquifer::node
