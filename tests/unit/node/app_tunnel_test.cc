// Applications behind an application tunnel: a waypoint that is captured itself.
#include "node-proxy/proxy_header.h"
#include "tests/support/run_task.h"
#include "tests/unit/node/inbound_world.h"

namespace aquifer::node {
namespace {

using test::AcceptOne;
using test::Clear;
using test::Hear;
using test::kServerIp;
using test::kServicePort;
using test::ListenAt;
using test::Peer;
using test::Say;
using test::World;

constexpr auto kProxy = mesh::ApplicationTunnel::Protocol::kProxy;
const certs::Identity kClient{"cluster.local", "default", "default"};

// The server's pod is a gateway that wants the PROXY protocol at `port`.
void MakeGateway(World& world, std::uint16_t port) {
  mesh::Workload server = World::Server(kServicePort, port);
  server.application_tunnel = mesh::ApplicationTunnel{.protocol = kProxy, .port = port};
  world.builder.Put(server);
  world.Publish();
}

// The bytes up to the end of the client's identity, whatever port the client has.
void ChecksHeader(const std::string& header, const Address& meant) {
  const std::string expected = EncodeProxyHeader(Address{test::kClientIp, 0}, meant, kClient);
  REQUIRE(header.size() == expected.size());
  CHECK(header.substr(0, 24) == expected.substr(0, 24));  // addresses
  CHECK(header.substr(26) == expected.substr(26));        // behind the client's port
}

Task<std::string> HearExactly(io::Stream& stream, std::size_t size) {
  std::string all;
  while (all.size() < size) {
    const std::string part = co_await Hear(stream);
    if (part == "FIN" || part == "peer_reset" || part == "timeout") break;
    all += part;
  }
  co_return all;
}

Task<void> TellsTheApplication(bool on_loopback) {
  World world;
  world.config.localhost_app_tunnel = on_loopback;
  Peer peer(world);
  if (on_loopback) peer.application = ListenAt(Ip::Loopback4());
  MakeGateway(world, peer.application->local().port);
  // For something behind the gateway: neither its address nor its port are the pod's.
  const Address meant{Ip::V4(10, 9, 9, 9), 8080};
  auto tunnel = co_await peer.Open(meant);
  REQUIRE(tunnel.ok());
  io::SocketPtr application = co_await AcceptOne(*peer.application);
  co_await Say(*tunnel->stream, "hello");
  const std::size_t size = EncodeProxyHeader(meant, meant, kClient).size();
  const std::string heard = co_await HearExactly(*application, size + 5);
  CHECK(heard.ends_with("hello"));
  ChecksHeader(heard.substr(0, size), meant);
  CHECK((application->local().ip == Ip::Loopback4()) == on_loopback);
  application.reset();
  tunnel->stream.reset();
  co_await peer.End();
}

TEST_CASE("an application that speaks PROXY is told who it is from before the first byte") {
  aquifer::test::Run(TellsTheApplication(true));
  aquifer::test::Run(TellsTheApplication(false));
}

Task<void> ServerSpeaksFirst() {
  World world;
  world.config.localhost_app_tunnel = false;
  Peer peer(world);
  MakeGateway(world, peer.application->local().port);
  auto tunnel = co_await peer.Open(hbone::HostPort{"web.example", kServicePort});
  REQUIRE(tunnel.ok());
  io::SocketPtr application = co_await AcceptOne(*peer.application);
  const Address vip{test::kServiceIp, kServicePort};
  const std::string header =
      co_await HearExactly(*application, EncodeProxyHeader(vip, vip, kClient).size());
  ChecksHeader(header, vip);
  co_await Say(*application, "220 ready");
  CHECK(co_await Hear(*tunnel->stream) == "220 ready");
  application.reset();
  tunnel->stream.reset();
  co_await peer.End();
}

TEST_CASE("a PROXY header does not wait for the client's first byte, and names the service") {
  aquifer::test::Run(ServerSpeaksFirst());
}

Task<void> ChoosesNoLoopbackPort() {
  World world;
  Peer peer(world);
  MakeGateway(world, 0);  // whatever port the peer names
  const std::unique_ptr<io::Listener> secret = ListenAt(Ip::Loopback4());
  const auto refused = co_await peer.Open(Address{kServerIp, secret->local().port});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().status == 503);
  TimedStop soon(StopToken(), std::chrono::milliseconds(20), Reason::kTimeout);
  CHECK_FALSE((co_await secret->Accept(soon.token())).ok());
  co_await peer.End();
}

TEST_CASE("a peer does not choose among the ports of the pod's loopback") {
  aquifer::test::Run(ChoosesNoLoopbackPort());
}

Task<void> RefusesClearText() {
  World world;
  Clear clear(world);
  MakeGateway(world, clear.listener->local().port);
  co_await clear.Connect();
  CHECK(co_await Hear(*clear.client) == "peer_reset");
  co_await clear.serving.Join();
  CHECK(world.lines.With({"\twarn\t", "connection failed", "PROXY protocol"}).size() == 1);
  TimedStop soon(StopToken(), std::chrono::milliseconds(20), Reason::kTimeout);
  CHECK_FALSE((co_await clear.listener->Accept(soon.token())).ok());
  co_await world.End();
}

TEST_CASE("nobody in the clear writes a PROXY header of his own") {
  aquifer::test::Run(RefusesClearText());
}

Task<void> LeavesOtherPortsInTheClear() {
  World world;
  Clear clear(world);
  MakeGateway(world, 15088);
  co_await clear.ConnectThrough();
  co_await Say(*clear.client, "ping");
  CHECK(co_await Hear(*clear.application) == "ping");
  clear.client.reset();
  clear.application.reset();
  co_await clear.serving.Join();
  co_await world.End();
}

TEST_CASE("other ports of a gateway take clear text as it is") {
  aquifer::test::Run(LeavesOtherPortsInTheClear());
}

Task<void> OverridesThePort() {
  World world;
  Peer peer(world);
  mesh::Workload server = World::Server(kServicePort, 1);
  server.application_tunnel = mesh::ApplicationTunnel{.port = peer.application->local().port};
  world.builder.Put(server);
  world.Publish();
  auto tunnel = co_await peer.Open(Address{Ip::V4(10, 9, 9, 9), 8080});
  REQUIRE(tunnel.ok());
  io::SocketPtr application = co_await AcceptOne(*peer.application);
  co_await Say(*tunnel->stream, "plain");
  CHECK(co_await Hear(*application) == "plain");
  application.reset();
  tunnel->stream.reset();
  co_await peer.End();
}

TEST_CASE("an application tunnel without a protocol is another port and nothing else") {
  aquifer::test::Run(OverridesThePort());
}

}  // namespace
}  // namespace aquifer::node
