// A client, the gateway of another network and a pod behind it, over loopback: the client's proxy
// is ours, the others are HBONE servers that hand on what they are told to.
//   127.0.0.3   the service, near
//   127.0.0.4   the far network's gateway
//   127.0.0.2   the pod behind it, and its application
#include "hbone/server.h"
#include "tests/support/run_task.h"
#include "tests/unit/node/outbound_world.h"

namespace aquifer::node {
namespace {

using test::AcceptOne;
using test::Hear;
using test::kServerIp;
using test::ListenAt;
using test::Say;
using test::World;

const Ip kGatewayIp = Ip::V4(127, 0, 0, 4);

// Serves HBONE and hands every tunnel on to one address, as bytes.
class Relay final : public hbone::ConnectHandler {
 public:
  Relay(World& world, const Ip& ip, std::string account)
      : world_(world), listener_(ListenAt(ip)), account_(std::move(account)) {}

  Address address() const { return listener_->local(); }
  void Start(Address next) {
    next_ = next;
    tasks_.Spawn(Accept());
  }
  Task<void> End() {
    stop_.RequestStop();
    co_await tasks_.Join();
  }

  Task<void> OnConnect(hbone::IncomingTunnel tunnel, StopToken stop) override {
    requests.push_back(tunnel.request);
    peers.push_back(tunnel.peer);
    if (refusal != 0) {
      CHECK(tunnel.Refuse(refusal, "no").ok());
      co_return;
    }
    Result<io::SocketPtr> next = co_await io::Connect(next_, stop);
    REQUIRE(next.ok());
    CHECK(tunnel.Accept(baggage).ok());
    io::CopyTotals totals;
    std::ignore = co_await io::CopyBothWays(*tunnel.stream, **next, totals, stop);
  }
  void OnHandshakeFailed(const Address&, const Address&, const Error&,
                         const std::string&) override {
    ++failed;
  }
  void OnBadRequest(const Address&, const certs::Identity&, const Refusal&) override { ++failed; }
  void OnConnectionBroken(const Address&, const certs::Identity&, const Error&) override {}

  std::vector<hbone::ConnectRequest> requests;
  std::vector<certs::Identity> peers;
  int connections = 0;
  int failed = 0;
  int refusal = 0;
  std::optional<hbone::Baggage> baggage;

 private:
  Task<void> Accept() {
    while (true) {
      Result<io::SocketPtr> socket = co_await listener_->Accept(stop_.token());
      if (!socket) co_return;
      ++connections;
      tasks_.Spawn(Serve(*std::move(socket)));
    }
  }
  Task<void> Serve(io::SocketPtr socket) {
    const certs::Identity own{"cluster.local", "default", account_};
    const Result<certs::CertRef> certificate = co_await world_.certs.Get(own, stop_.token());
    REQUIRE(certificate.ok());
    certs::TlsContextRef tls = (*certificate)->server;
    const hbone::ServerOptions options;
    certs::PeerExpectation anybody = certs::InTrustDomain{"cluster.local"};
    co_await hbone::ServeConnection(std::move(socket), std::move(tls), std::move(anybody), options,
                                    *this, StopToken(), stop_.token());
  }

  World& world_;
  std::unique_ptr<io::Listener> listener_;
  std::string account_;
  Address next_;
  StopSource stop_;
  Scope tasks_;
};

struct Networks : test::Captured {
  explicit Networks(World& w, std::string far_account = "web")
      : Captured(w), gateway(w, kGatewayIp, "gateway"), far(w, kServerIp, std::move(far_account)) {
    world.config.network = "near";
    world.context.classify.network = "near";
    mesh::Workload client = mesh::Pod("client", "127.0.0.1");
    client.network = "near";
    world.builder.Put(client);
    service = mesh::ServiceAt("web.example", "");
    service.vips = {mesh::At("127.0.0.3", "near")};
    service.ports = {{outbound->local().port, 8080}};
    service.identities = {{"cluster.local", "default", "web"}};
    mesh::Workload server = mesh::Joins(mesh::Pod("split-horizon", "10.9.9.9"), "web.example", {});
    server.network = "far";
    server.network_gateway =
        mesh::GatewayAddress{mesh::At("127.0.0.4", "far"), gateway.address().port};
    world.builder.Put(server);
    mesh::Workload at_the_edge = mesh::Pod("gateway", "127.0.0.4");
    at_the_edge.network = "far";
    at_the_edge.service_account = "gateway";
    world.builder.Put(at_the_edge);
    Publish();
    far.baggage = hbone::Baggage{.cluster = "far-cluster",
                                 .ns = "default",
                                 .workload_type = "deployment",
                                 .workload_name = "web-v1",
                                 .service_name = "web",
                                 .service_version = "v1",
                                 .region = "r",
                                 .zone = "z"};
    far.Start(application->local());
    gateway.Start(far.address());
  }
  void Publish() {
    world.builder.Put(service);
    world.Publish();
  }
  std::string authority() const { return "web.example:" + std::to_string(outbound->local().port); }
  Task<void> End() {
    co_await Captured::End();
    co_await gateway.End();
    co_await far.End();
  }

  Relay gateway, far;
  mesh::Service service;
};

Task<void> Crosses() {
  World world;
  Networks net(world);
  const io::SocketPtr client = co_await net.NewClient();
  const io::SocketPtr server = co_await AcceptOne(*net.application);
  co_await Say(*client, "ping");
  CHECK(co_await Hear(*server) == "ping");
  CHECK((co_await server->ShutdownWrite(StopToken())).ok());
  CHECK(co_await Hear(*client) == "FIN");
  co_await Say(*client, "more");
  CHECK(co_await Hear(*server) == "more");
  CHECK((co_await client->ShutdownWrite(StopToken())).ok());
  CHECK(co_await Hear(*server) == "FIN");
  co_await net.serving.Join();

  REQUIRE(net.gateway.requests.size() == 1);
  REQUIRE(net.far.requests.size() == 1);
  const hbone::ConnectRequest& outer = net.gateway.requests.front();
  const hbone::ConnectRequest& inner = net.far.requests.front();
  CHECK(hbone::ToString(outer.authority) == net.authority());
  CHECK(hbone::ToString(inner.authority) == net.authority());
  CHECK(outer.forwarded_network.empty());
  CHECK(inner.forwarded_network == "near");
  CHECK(inner.forwarded_host == "web.example");
  CHECK(inner.traceparent == outer.traceparent);
  const certs::Identity client_account{"cluster.local", "default", "default"};
  CHECK(net.gateway.peers.front() == client_account);
  CHECK(net.far.peers.front() == client_account);
  CHECK(world.lines
            .With({"\tinfo\t", "direction=\"outbound\"", "bytes_sent=8",
                   "dst.addr=" + net.gateway.address().ToString(),
                   "dst.hbone_addr=" + net.authority(), "dst.service=\"web.example\"",
                   "dst.workload=\"web-v1\"", "dst.cluster=\"far-cluster\"",
                   "dst.identity=\"spiffe://cluster.local/ns/default/sa/web\""})
            .size() == 1);
  const std::string metrics = world.registry.Text();
  CHECK(metrics.find("destination_workload=\"web-v1\"") != std::string::npos);
  // The session was this connection's, and ends with it.
  co_await World::Until([&] { return world.egress.inner.live() == 0; });
  CHECK(world.pool.connections() == 1);
  co_await net.End();
}

TEST_CASE("a connection into another network is a tunnel in a tunnel, each end as it ends") {
  aquifer::test::Run(Crosses());
}

Task<void> SharesOnlyTheOuter() {
  World world;
  Networks net(world);
  const io::SocketPtr one = co_await net.NewClient();
  const io::SocketPtr its = co_await AcceptOne(*net.application);
  const io::SocketPtr two = co_await net.NewClient();
  const io::SocketPtr other = co_await AcceptOne(*net.application);
  co_await Say(*one, "one");
  co_await Say(*two, "two");
  CHECK(co_await Hear(*its) == "one");
  CHECK(co_await Hear(*other) == "two");
  CHECK(net.gateway.connections == 1);
  CHECK(net.far.connections == 2);
  world.stop.RequestStop(Reason::kDrained);
  co_await net.End();
}

TEST_CASE("the tunnel to the gateway is shared, the one inside belongs to one connection") {
  aquifer::test::Run(SharesOnlyTheOuter());
}

Task<void> PassesResets() {
  World world;
  Networks net(world);
  io::SocketPtr client = co_await net.NewClient();
  const io::SocketPtr server = co_await AcceptOne(*net.application);
  client->Reset();
  client.reset();
  CHECK(co_await Hear(*server) == "peer_reset");
  co_await net.serving.Join();
  co_await World::Until([&] { return world.egress.inner.live() == 0; });
  co_await net.End();
}

TEST_CASE("a reset crosses both tunnels") { aquifer::test::Run(PassesResets()); }

Task<void> WrongFarSide() {
  World world;
  Networks net(world, "intruder");
  co_await net.IsReset({"\terror\t", "connection complete"});
  CHECK(net.far.requests.empty());
  CHECK(world.Closed("TLS_FAILURE") == 1);
  co_await net.End();
}

TEST_CASE("whoever is behind the gateway must be one of the service's identities") {
  aquifer::test::Run(WrongFarSide());
}

Task<void> NobodyListed() {
  World world;
  Networks net(world);
  net.service.identities.clear();
  net.Publish();
  co_await net.IsReset({"\terror\t", "lists no identity"});
  CHECK(net.gateway.connections == 0);
  CHECK(world.Closed("TLS_FAILURE") == 1);
  co_await net.End();
}

TEST_CASE("a service that lists no identity is not reached in another network") {
  aquifer::test::Run(NobodyListed());
}

Task<void> WrongGateway() {
  World world;
  Networks net(world);
  mesh::Workload other = mesh::Pod("gateway", "127.0.0.4");
  other.network = "far";
  other.service_account = "other-gateway";
  world.builder.Put(other);
  world.Publish();
  co_await net.IsReset({"\terror\t", "connection complete"});
  CHECK(net.gateway.requests.empty());
  CHECK(world.Closed("TLS_FAILURE") == 1);
  co_await net.End();
}

TEST_CASE("the gateway must be who the mesh says it is") { aquifer::test::Run(WrongGateway()); }

Task<void> RefusedAt(bool far) {
  World world;
  Networks net(world);
  (far ? net.far : net.gateway).refusal = 503;
  co_await net.IsReset({"\terror\t", "http status: 503 (no)"});
  CHECK(world.Closed("CONNECT") == 1);
  co_await World::Until([&] { return world.egress.inner.live() == 0; });
  co_await net.End();
}

TEST_CASE("a refusal of the gateway or of the far side resets the client") {
  aquifer::test::Run(RefusedAt(false));
  aquifer::test::Run(RefusedAt(true));
}

Task<void> WithoutBaggage() {
  World world;
  Networks net(world);
  world.config.response_baggage = false;
  const io::SocketPtr client = co_await net.NewClient();
  const io::SocketPtr server = co_await AcceptOne(*net.application);
  // Bytes come through: the tunnel is open at both ends.
  std::ignore = co_await client->Write(Chunk::CopyOf("hello"), StopToken());
  CHECK((co_await server->Read(StopToken())).ok());
  world.stop.RequestStop(Reason::kDrained);
  co_await net.serving.Join();
  CHECK(world.lines.With({"dst.workload=\"split-horizon\"", "sa/web"}).size() == 1);
  co_await net.End();
}

TEST_CASE("without baggage the far side is described as the mesh knows it") {
  aquifer::test::Run(WithoutBaggage());
}

}  // namespace
}  // namespace aquifer::node
