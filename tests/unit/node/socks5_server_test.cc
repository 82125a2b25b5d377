#include "node-proxy/socks5_server.h"

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
using namespace std::string_literals;

// A pod's SOCKS port; the service web.example at 127.0.0.3 leads to an application outside of the
// mesh.
struct Socks {
  explicit Socks(World& w)
      : world(w),
        socks(ListenAt(Ip::Loopback4())),
        application(ListenAt(kServerIp)),
        pod(w.Endpoint("client", "default")) {
    world.Populate(80, application->local().port);
    mesh::Workload server = World::Server(80, application->local().port);
    server.protocol = mesh::TunnelProtocol::kNone;
    world.builder.Put(server);
    world.Publish();
  }
  Task<void> Greet() {
    client = co_await Dial(socks->local());
    io::SocketPtr accepted = co_await AcceptOne(*socks);
    serving.Spawn(ServeSocks5(world.context, pod, std::move(accepted), world.stop.token()));
    co_await Say(*client, "\x05\x01\x00"s);
    CHECK(co_await Hear(*client) == "\x05\x00"s);
  }
  static std::string Name(const std::string& host, std::uint16_t port) {
    return "\x05\x01\x00\x03"s + static_cast<char>(host.size()) + host +
           static_cast<char>(port >> 8) + static_cast<char>(port & 0xff);
  }
  // The reply's code to a request for `host`.
  Task<int> Ask(std::string host, std::uint16_t port) {
    co_await Greet();
    co_await Say(*client, Name(host, port));
    const std::string reply = co_await Hear(*client);
    REQUIRE(reply.size() == 10);
    co_return reply[1];
  }
  Task<void> End() {
    client.reset();
    world.stop.RequestStop(Reason::kDrained);
    co_await serving.Join();
    co_await world.End();
  }

  World& world;
  std::unique_ptr<io::Listener> socks, application;
  std::shared_ptr<PodEndpoint> pod;
  io::SocketPtr client;
  Scope serving;
};

Task<void> ReachesAService() {
  World world;
  Socks socks(world);
  co_await socks.Greet();
  // What follows the request is said before the reply to it has come.
  co_await Say(*socks.client, Socks::Name("WEB.example", 80) + "early");
  const io::SocketPtr server = co_await AcceptOne(*socks.application);
  CHECK(co_await Hear(*server) == "early");
  CHECK(co_await Hear(*socks.client) == "\x05\x00\x00\x01"s + std::string(6, '\0'));
  co_await Say(*socks.client, "late");
  CHECK(co_await Hear(*server) == "late");
  CHECK((co_await server->ShutdownWrite(StopToken())).ok());
  CHECK(co_await Hear(*socks.client) == "FIN");
  CHECK((co_await socks.client->ShutdownWrite(StopToken())).ok());
  CHECK(co_await Hear(*server) == "FIN");
  co_await socks.serving.Join();
  CHECK(world.lines
            .With({"\tinfo\t", "connection complete", "dst.service=\"web.example\"",
                   "src.workload=\"client\"", "bytes_sent=9"})
            .size() == 1);
  co_await socks.End();
}

TEST_CASE("a client of SOCKS reaches a service of the mesh by its name") {
  aquifer::test::Run(ReachesAService());
}

Task<void> ReachesAName() {
  World world;
  Socks socks(world);
  world.names["out.example.com"] = {Ip::Loopback6(), kServerIp};
  CHECK(co_await socks.Ask("out.example.com", socks.application->local().port) == 0);
  const io::SocketPtr server = co_await AcceptOne(*socks.application);
  co_await Say(*server, "hello");
  CHECK(co_await Hear(*socks.client) == "hello");
  co_await socks.End();
}

TEST_CASE("a name outside of the mesh is looked up, and the server may speak first") {
  aquifer::test::Run(ReachesAName());
}

Task<void> AnotherPodsNames() {
  World world;
  Socks socks(world);
  Socks other(world);
  world.names["out.example.com"] = {kServerIp};
  std::vector<io::SocketPtr> waiting;
  for (int i = 0; i < 30; ++i) {
    co_await socks.Greet();
    co_await Say(*socks.client, Socks::Name("dead" + std::to_string(i) + ".example", 80));
    waiting.push_back(std::move(socks.client));
  }
  co_await World::Until([&] { return world.unanswered == 16; });
  CHECK(co_await other.Ask("out.example.com", other.application->local().port) == 0);
  CHECK(world.unanswered == 16);
  waiting.clear();
  other.client.reset();
  world.stop.RequestStop(Reason::kDrained);
  co_await other.serving.Join();
  co_await socks.End();
}

TEST_CASE("a pod that asks for names nobody answers for does not keep another's waiting") {
  aquifer::test::Run(AnotherPodsNames());
}

Task<void> SaysWhyNot() {
  World world;
  Socks socks(world);
  CHECK(co_await socks.Ask("gone.example.com", 80) == 4);
  CHECK(co_await Hear(*socks.client) == "FIN");
  CHECK(co_await socks.Ask("web.example", 81) == 4);  // no such port of the service
  const std::uint16_t port = socks.application->local().port;
  socks.application.reset();
  CHECK(co_await socks.Ask("127.0.0.2", port) == 5);
  CHECK(co_await Hear(*socks.client) == "FIN");
  co_await socks.serving.Join();
  co_await socks.End();
}

TEST_CASE("a client of SOCKS is told why it is not connected, and then sees the end") {
  aquifer::test::Run(SaysWhyNot());
}

Task<void> OwnPorts() {
  World world;
  Socks socks(world);
  world.context.classify.illegal_ports = {socks.socks->local().port};
  CHECK(co_await socks.Ask("127.0.0.1", socks.socks->local().port) == 2);
  co_await socks.End();
}

TEST_CASE("SOCKS does not lead back to the proxy") { aquifer::test::Run(OwnPorts()); }

Task<void> Nonsense() {
  World world;
  Socks socks(world);
  socks.client = co_await Dial(socks.socks->local());
  io::SocketPtr accepted = co_await AcceptOne(*socks.socks);
  socks.serving.Spawn(
      ServeSocks5(world.context, socks.pod, std::move(accepted), world.stop.token()));
  co_await Say(*socks.client, "GET / HTTP/1.1\r\n\r\n");
  const std::string heard = co_await Hear(*socks.client);
  CHECK((heard == "FIN" || heard == "peer_reset"));
  co_await socks.serving.Join();
  CHECK(world.lines.With({"\twarn\t", "connection failed", "does not speak SOCKS 5"}).size() == 1);
  co_await socks.End();
}

TEST_CASE("who does not speak SOCKS on its port is cut off") { aquifer::test::Run(Nonsense()); }

TEST_CASE("the names by which a pod may call a service") {
  mesh::Builder builder;
  mesh::Service web = mesh::ServiceAt("web.shop.svc.cluster.local", "", "shop");
  web.vips = {mesh::At("fd00::7"), mesh::At("10.1.0.7"), mesh::At("10.1.0.8", "elsewhere")};
  builder.Put(web);
  mesh::Service headless = mesh::ServiceAt("headless.shop.svc.cluster.local", "", "shop");
  builder.Put(headless);
  const mesh::SnapshotRef snapshot = builder.Build();
  const auto find = [&](std::string_view host, std::string_view ns) {
    const std::optional<Ip> ip =
        AddressOfService(*snapshot, host, ns, "cluster.local", "", Ip::Loopback4());
    return ip ? ip->ToString() : "";
  };
  for (const char* name : {"web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local"})
    CHECK(find(name, "shop") == "10.1.0.7");
  CHECK(find("web", "other").empty());
  CHECK(find("web.shop", "other") == "10.1.0.7");
  CHECK(find("headless", "shop").empty());
  CHECK(find("nobody", "shop").empty());
  CHECK(AddressOfService(*snapshot, "web", "shop", "cluster.local", "", Ip::Loopback6()) ==
        mesh::IpOf("fd00::7"));
}

}  // namespace
}  // namespace aquifer::node
