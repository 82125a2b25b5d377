#include "node-proxy/outbound.h"

#include "tests/support/run_task.h"
#include "tests/unit/node/outbound_world.h"

namespace aquifer::node {
namespace {

using test::AcceptOne;
using test::Hear;
using test::Pair;
using test::Say;
using test::World;

Task<void> GoesByHbone() {
  World world;
  Pair pair(world);
  co_await pair.ConnectThrough();
  co_await Say(*pair.client, "ping");
  CHECK(co_await Hear(*pair.server) == "ping");
  CHECK((co_await pair.server->ShutdownWrite(StopToken())).ok());
  CHECK(co_await Hear(*pair.client) == "FIN");
  co_await Say(*pair.client, "more");
  CHECK(co_await Hear(*pair.server) == "more");
  CHECK((co_await pair.client->ShutdownWrite(StopToken())).ok());
  CHECK(co_await Hear(*pair.server) == "FIN");
  co_await pair.serving.Join();
  CHECK(world.lines
            .With({"\tinfo\t", "direction=\"outbound\"", "bytes_sent=8",
                   "dst.service=\"web.example\"", "dst.hbone_addr=127.0.0.2:",
                   "src.identity=\"spiffe://cluster.local/ns/default/sa/default\"",
                   "dst.identity=\"spiffe://cluster.local/ns/default/sa/web\""})
            .size() == 1);
  CHECK(world.registry.Text().find("reporter=\"source\"") != std::string::npos);
  co_await pair.End();
}

TEST_CASE("a connection to a service goes to its endpoint by HBONE, each end as it ends") {
  aquifer::test::Run(GoesByHbone());
}

Task<void> PassesResets() {
  World world;
  Pair pair(world);
  co_await pair.ConnectThrough();
  pair.client->Reset();
  pair.client.reset();
  CHECK(co_await Hear(*pair.server) == "peer_reset");
  co_await pair.serving.Join();
  CHECK(world.lines.With({"\tinfo\t", "direction=\"outbound\""}).size() == 1);
  co_await pair.End();
}

TEST_CASE("a reset of the client is one of the server's connection") {
  aquifer::test::Run(PassesResets());
}

Task<void> NoEndpoint() {
  World world;
  Pair pair(world);
  pair.ChangeServer([](mesh::Workload& server) { server.services.clear(); });
  co_await pair.IsReset({"\twarn\t", "connection failed"});
  CHECK(world.registry.Text().find("connections_opened") == std::string::npos);
  co_await pair.End();
}

TEST_CASE("a service without endpoints resets its clients") { aquifer::test::Run(NoEndpoint()); }

Task<void> MissingWaypoint() {
  World world;
  Pair pair(world);
  mesh::Service service = mesh::ServiceAt("web.example", "127.0.0.3");
  service.ports = {{pair.outbound->local().port, pair.application->local().port}};
  service.waypoint = mesh::GatewayAddress{mesh::At("10.9.9.9"), 15008};
  world.builder.Put(service);
  world.Publish();
  co_await pair.IsReset({"\twarn\t", "waypoint"});
  co_await pair.End();
}

TEST_CASE("a waypoint that is not known is not gone around") {
  aquifer::test::Run(MissingWaypoint());
}

// The endpoint's address is that of a pod with another account, as when an address is used again.
Task<void> WrongIdentity() {
  World world;
  Pair pair(world);
  pair.hbone.Spawn(pair.ServeHbone());
  mesh::Workload former = World::Server(pair.outbound->local().port, 80);
  former.uid += "-former";
  former.name = "former";
  former.service_account = "former";
  world.builder.Put(former);
  pair.ChangeServer([](mesh::Workload& server) { server.services.clear(); });
  co_await pair.IsReset({"\terror\t", "connection complete"});
  CHECK(world.lines.With({"connection complete", "direction=\"inbound\""}).empty());
  CHECK(world.Closed("TLS_FAILURE") == 1);
  co_await pair.End();
}

TEST_CASE("who answers at the endpoint's address with another identity gets nothing") {
  aquifer::test::Run(WrongIdentity());
}

Task<void> CaRefuses() {
  World world;
  Pair pair(world);
  world.authority.refused.insert("default");
  co_await pair.IsReset({"\terror\t", "connection complete"});
  CHECK(world.Closed("IDENTITY_ERROR") == 1);
  co_await pair.End();
}

TEST_CASE("without a certificate there is no connection") { aquifer::test::Run(CaRefuses()); }

Task<void> NoProxyThere() {
  World world;
  Pair pair(world);
  world.hbone.reset();
  co_await pair.IsReset({"\terror\t", "connection complete"});
  CHECK(world.Closed("CONNECT") == 1);
  CHECK(world.registry.Text().find("mutual_tls") != std::string::npos);
  co_await pair.End();
}

TEST_CASE("an endpoint whose proxy is not there is not gone to in the clear") {
  aquifer::test::Run(NoProxyThere());
}

Task<void> Denied() {
  World world;
  Pair pair(world);
  mesh::Policy policy = mesh::PolicyFor("deny-all", mesh::PolicyScope::kNamespace);
  policy.action = mesh::PolicyAction::kDeny;
  policy.rules = {{}};
  world.builder.Put(policy);
  world.Publish();
  pair.hbone.Spawn(pair.ServeHbone());
  co_await pair.IsReset(
      {"\terror\t", "error=\"http status: 401 (explicitly denied by: default/deny-all)\""});
  CHECK(world.Closed("DENY") == 2);  // by the source's proxy and by the destination's
  CHECK(world.Closed("CONNECT") == 0);
  CHECK(world.registry.Text().find(
            "aquifer_hbone_answers_total{status=\"401\",reason=\"policy_denied\"} 1") !=
        std::string::npos);
  co_await pair.End();
}

TEST_CASE("a denial resets the client and names the policy on its side") {
  aquifer::test::Run(Denied());
}

Task<void> Stopped() {
  World world;
  Pair pair(world);
  co_await pair.ConnectThrough();
  world.stop.RequestStop(Reason::kDrained);
  CHECK(co_await Hear(*pair.client) == "peer_reset");
  CHECK(co_await Hear(*pair.server) == "peer_reset");
  co_await pair.End();
}

TEST_CASE("a stop resets both ends of what is there") { aquifer::test::Run(Stopped()); }

// The mesh does not know the client's workload (any more), or does.
void ForgetClient(World& world) {
  world.builder.RemoveAddress("Kubernetes//Pod/default/client");
  world.Publish();
}
void LearnClient(World& world) {
  world.builder.Put(mesh::Pod("client", "127.0.0.1"));
  world.Publish();
}

Task<void> WaitsForItsWorkload() {
  World world;
  Pair pair(world);
  ForgetClient(world);
  pair.hbone.Spawn(pair.ServeHbone());
  co_await pair.Connect();
  LearnClient(world);
  pair.server = co_await AcceptOne(*pair.application);
  co_await Say(*pair.client, "ping");
  CHECK(co_await Hear(*pair.server) == "ping");
  world.stop.RequestStop(Reason::kDrained);
  co_await pair.End();
}

TEST_CASE("a pod that the mesh does not know yet waits for it") {
  aquifer::test::Run(WaitsForItsWorkload());
}

// As a pod that dials its proxy's own port: nothing redirected it, and nobody has the address.
Task<void> OwnPort() {
  World world;
  Pair pair(world);
  world.builder.RemoveAddress("default/web.example");
  world.Publish();
  co_await pair.IsReset({"\twarn\t", "connection failed", "come back to the proxy itself"});
  TimedStop soon(StopToken(), std::chrono::milliseconds(20), Reason::kTimeout);
  CHECK_FALSE((co_await pair.outbound->Accept(soon.token())).ok());
  co_await pair.End();
}

TEST_CASE("a connection to the proxy itself is reset, not dialled again") {
  aquifer::test::Run(OwnPort());
}

// The far proxy never answers the handshake.
Task<void> LeavesDuringDial() {
  World world;
  Pair pair(world);
  co_await pair.Connect();
  const io::SocketPtr dialled = co_await AcceptOne(*world.hbone);
  pair.client->Reset();
  pair.client.reset();
  co_await World::Until([&] { return pair.serving.live() == 0; });
  CHECK(world.lines.With({"connection complete", "reset by the peer"}).size() == 1);
  co_await pair.End();
}

TEST_CASE("a client that is reset while its upstream is dialled ends the wait for it") {
  aquifer::test::Run(LeavesDuringDial());
}

// The dial waits for the client's workload, longer than clients go unwatched.
Task<void> HalfClosedDuringDial() {
  World world;
  Pair pair(world);
  ForgetClient(world);
  pair.hbone.Spawn(pair.ServeHbone());
  co_await pair.Connect();
  co_await Say(*pair.client, "ping");
  CHECK((co_await pair.client->ShutdownWrite(StopToken())).ok());
  TimedStop watched(StopToken(), std::chrono::milliseconds(500), Reason::kTimeout);
  CHECK_FALSE((co_await pair.application->Accept(watched.token())).ok());
  LearnClient(world);
  pair.server = co_await AcceptOne(*pair.application);
  CHECK(co_await Hear(*pair.server) == "ping");
  CHECK(co_await Hear(*pair.server) == "FIN");
  co_await Say(*pair.server, "pong");
  CHECK(co_await Hear(*pair.client) == "pong");
  world.stop.RequestStop(Reason::kDrained);
  co_await pair.End();
}

TEST_CASE("a client that has said all it has to say is served after a long dial") {
  aquifer::test::Run(HalfClosedDuringDial());
}

}  // namespace
}  // namespace aquifer::node
