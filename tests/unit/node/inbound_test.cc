#include "node-proxy/inbound.h"

#include "tests/support/run_task.h"
#include "tests/unit/node/inbound_world.h"

namespace aquifer::node {
namespace {

using test::AcceptOne;
using test::Clear;
using test::DenyAll;
using test::Dial;
using test::Hear;
using test::kServerIp;
using test::Peer;
using test::Say;
using test::World;

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

// Each pod has its own.
Task<void> LimitsRefusalLines() {
  World world;
  world.lines.clock = [] { return std::chrono::system_clock::time_point(); };
  Clear clear(world);
  world.context.classify.illegal_ports = {clear.listener->local().port};
  for (int i = 0; i < 15; ++i) {
    co_await clear.Connect();
    CHECK(co_await Hear(*clear.client) == "peer_reset");
  }
  co_await clear.serving.Join();
  CHECK(world.lines.With({"\twarn\t", "connection failed"}).size() == 10);
  clear.server = world.Endpoint("client", "default");
  co_await clear.Connect();
  co_await clear.serving.Join();
  CHECK(world.lines.With({"\twarn\t", "connection failed"}).size() == 11);
  co_await world.End();
}

TEST_CASE("who dials the proxy's own port again and again does not fill the log") {
  aquifer::test::Run(LimitsRefusalLines());
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

}  // namespace
}  // namespace aquifer::node
