// Revocation lists that change under a waypoint's HBONE connections: a real worker on its thread,
// with a client's proxy before it and a server behind it, over loopback.
#include "certs/revocation.h"

#include <unistd.h>

#include "core/rt/answers.h"
#include "hbone/pool.h"
#include "hbone/server.h"
#include "mesh/builder.h"
#include "tests/component/waypoint/worker_parts.h"
#include "tests/support/lines.h"
#include "tests/support/run_task.h"
#include "tests/support/until.h"
#include "tests/unit/certs/crl_signer.h"
#include "tests/unit/mesh/fixtures.h"
#include "waypoint/worker.h"

namespace aquifer::waypoint {
namespace {

using certs::Identity;
using test::Authority;
using test::ReservedPort;

constexpr std::uint16_t kServicePort = 80;
const char* const kVip = "10.96.0.5";
const char* const kWaypointHost = "waypoint.app.svc.cluster.local";

// Endpoints' tunnels have a port of their own; this process has the address for itself.
Ip EndpointIp() {
  const auto pid = static_cast<unsigned>(::getpid());
  return Ip::V4(127, static_cast<std::uint8_t>(64 + (pid >> 16) % 64),
                static_cast<std::uint8_t>(pid >> 8), static_cast<std::uint8_t>(pid));
}

// Sends back what it gets, in the clear or over HBONE.
class Echo final : public hbone::ConnectHandler {
 public:
  Task<void> OnConnect(hbone::IncomingTunnel tunnel, StopToken stop) override {
    const Status accepted = tunnel.Accept();
    if (accepted.ok()) co_await Reflect(*tunnel.stream, stop);
  }
  static Task<void> Reflect(io::Stream& stream, StopToken stop) {
    while (true) {
      Result<Chunk> got = co_await stream.Read(stop);
      if (!got || got->empty()) co_return;
      const Status sent = co_await stream.Write(*std::move(got), stop);
      if (!sent) co_return;
    }
  }
  void OnHandshakeFailed(const Address&, const Address&, const Error&,
                         const std::string&) override {}
  void OnBadRequest(const Address&, const Identity&, const Refusal&) override {}
  void OnConnectionBroken(const Address&, const Identity&, const Error&) override {}
};

Config ConfigOf(std::uint16_t port) {
  Config config;
  config.gateway_name = "waypoint";
  config.pod_namespace = "app";
  config.service_account = "waypoint";
  config.instance_ip = "127.0.0.1";
  config.hbone_port = port;
  config.ipv6 = false;
  return config;
}

RulesRef RulesOfWaypoint() {
  auto rules = std::make_shared<Rules>();
  rules->gateway.name = {"app", "waypoint"};
  rules->gateway.class_name = "istio-waypoint";
  rules->gateway.is_waypoint = true;
  rules->gateway.addresses = {kWaypointHost};
  rules->policies = PolicyIndex(rules->gateway, {});
  rules->routes = RouteIndex(rules->gateway, {});
  return rules;
}

// A service behind the waypoint, and its one endpoint.
mesh::SnapshotRef MeshOf(std::uint16_t port, mesh::TunnelProtocol protocol) {
  const std::string host = "web.app.svc.cluster.local";
  mesh::Service service = mesh::ServiceAt(host, kVip, "app");
  service.ports = {{kServicePort, port, mesh::AppProtocol::kTcp}};
  service.waypoint =
      mesh::GatewayAddress{mesh::NamespacedHostname{"app", kWaypointHost}, hbone::kPort};
  mesh::Workload server = mesh::Joins(mesh::Pod("server", EndpointIp().ToString(), "app"), host,
                                      {{kServicePort, port}});
  server.service_account = "server";
  server.protocol = protocol;
  mesh::Builder builder;
  builder.Put(service);
  builder.Put(server);
  return builder.Build();
}

// Made on a running loop; ended by End.
struct World {
  explicit World(mesh::TunnelProtocol protocol) {
    const bool tunnels = protocol == mesh::TunnelProtocol::kHbone;
    auto listening =
        io::Listener::Listen({EndpointIp(), tunnels ? hbone::kPort : std::uint16_t{0}});
    REQUIRE(listening.ok());
    listener = *std::move(listening);
    tasks.Spawn(RunStore());
    tasks.Spawn(tunnels ? AcceptTunnels() : AcceptPlain());
    snapshot = MeshOf(tunnels ? std::uint16_t{8080} : listener->local().port, protocol);
  }

  Task<void> RunStore() { std::ignore = co_await store.Run(stop.token()); }
  Task<void> AcceptPlain() {
    while (true) {
      Result<io::SocketPtr> accepted = co_await listener->Accept(stop.token());
      if (!accepted) co_return;
      tasks.Spawn(ServePlain(*std::move(accepted)));
    }
  }
  Task<void> ServePlain(io::SocketPtr socket) {
    co_await Echo::Reflect(*socket, stop.token());
    ++ended_plain;
  }
  Task<void> AcceptTunnels() {
    while (true) {
      Result<io::SocketPtr> accepted = co_await listener->Accept(stop.token());
      if (!accepted) co_return;
      certs::PeerExpectation anybody = certs::InTrustDomain{"cluster.local"};
      tasks.Spawn(hbone::ServeConnection(*std::move(accepted), server_tls, std::move(anybody),
                                         server_options, echo, StopToken(), stop.token()));
    }
  }

  Task<void> Start(certs::CrlSetRef lists) {
    const WorkerInputs inputs{.config = config,
                              .log = lines.logger(),
                              .metrics = metrics,
                              .hbone_metrics = hbone_metrics,
                              .store = store,
                              .control = Loop::Current(),
                              .crl_metrics = &crl_metrics,
                              .crls = std::move(lists)};
    Result<std::unique_ptr<Worker>> made = Worker::Start(inputs, 0);
    REQUIRE(made.ok());
    worker = *std::move(made);
    worker->SetMesh(snapshot);
    worker->SetRules(RulesOfWaypoint());
    Answers opened(1);
    worker->Open([&opened](Status status) { opened.Take(status); });
    const Status outcome = co_await opened.All();
    REQUIRE(outcome.ok());
  }

  // A tunnel to the service, over a connection of its own.
  Task<Result<hbone::Tunnel, hbone::TunnelError>> Open(hbone::Pool& pool) {
    hbone::PoolKey key{.source = client,
                       .origin = "",
                       .expected = {{"cluster.local", "app", "waypoint"}},
                       .expected_trust_domain = "",
                       .gateway = {Ip::Loopback4(), reserved.port}};
    hbone::ConnectRequest request;
    request.authority = Address{mesh::IpOf(kVip), kServicePort};
    return pool.Open(std::move(key), std::make_shared<hbone::PlainDialer>(), client_tls,
                     std::move(request), deadline.token());
  }
  Task<std::string> Ask(io::Stream& stream, std::string text) {
    Chunk said = Chunk::CopyOf(text);
    const Status sent = co_await stream.Write(std::move(said), deadline.token());
    if (!sent) co_return "";
    co_return co_await Hear(stream);
  }
  // The next bytes; empty when there are to be none any more.
  Task<std::string> Hear(io::Stream& stream) {
    Result<Chunk> got = co_await stream.Read(deadline.token());
    CHECK_FALSE(deadline.token().requested());
    co_return got.ok() ? std::string(got->text()) : std::string();
  }

  certs::CrlSetRef Revoking(const certs::CertificateBundle& bundle) const {
    const auto set = certs::CrlSet::Parse(
        certs::test::CrlSigner(authority.ca).Pem({bundle.leaf().serial_number}));
    REQUIRE(set.ok());
    return *set;
  }
  // Handshakes refused and connections ended, by which side of the waypoint.
  int Rejections(const std::string& reporter) const {
    const std::string text = registry.Text();
    const std::string series = "istio_crl_policy_rejections_total{reporter=\"" + reporter + "\"} ";
    const std::size_t at = text.find(series);
    return at == text.npos ? 0 : std::stoi(text.substr(at + series.size()));
  }

  Task<void> End() {
    Answers ended(1);
    worker->Shutdown(std::chrono::milliseconds(1), [&ended] { ended.Take(); });
    std::ignore = co_await ended.All();
    worker.reset();
    stop.RequestStop();
    co_await tasks.Join();
    co_await pool.Shutdown();
    co_await another_pool.Shutdown();
  }

  ReservedPort reserved;
  const Config config = ConfigOf(reserved.port);
  test::Lines lines;
  obs::Registry registry;
  RequestMetrics metrics{registry};
  obs::HboneMetrics hbone_metrics{registry};
  obs::CrlMetrics crl_metrics{registry};
  Authority authority;
  certs::CertStore store{authority, &certs::SystemWallTime};
  const Identity client{"cluster.local", "app", "client"};
  const certs::CertificateBundle client_bundle = authority.Sign(client);
  const certs::CertificateBundle server_bundle = authority.Sign({"cluster.local", "app", "server"});
  const certs::TlsContextRef client_tls = certs::TlsContext::MeshClient(client_bundle);
  const certs::TlsContextRef server_tls = certs::TlsContext::MeshServer(server_bundle);
  const hbone::ServerOptions server_options;
  Echo echo;
  hbone::Pool pool{hbone::PoolOptions()};
  hbone::Pool another_pool{hbone::PoolOptions()};
  TimedStop deadline{StopToken(), std::chrono::seconds(30), Reason::kTimeout};
  std::unique_ptr<io::Listener> listener;
  mesh::SnapshotRef snapshot;
  std::unique_ptr<Worker> worker;
  int ended_plain = 0;
  StopSource stop;
  Scope tasks;
};

Task<void> EndsInbound() {
  World world(mesh::TunnelProtocol::kNone);
  co_await world.Start(certs::CrlSet::None());
  auto tunnel = co_await world.Open(world.pool);
  REQUIRE(tunnel.ok());
  CHECK(co_await world.Ask(*tunnel->stream, "ping") == "ping");
  world.worker->SetCrls(world.Revoking(world.client_bundle));
  CHECK(co_await world.Hear(*tunnel->stream) == "");
  co_await test::Until([&world] { return world.ended_plain == 1; });
  CHECK(world.Rejections("destination") == 1);
  CHECK(world.Rejections("source") == 0);
  co_await test::Until([&world] {
    return world.lines.With({"tunnel connection broken", "sa/client", "revoked"}).size() == 1;
  });
  const auto again = co_await world.Open(world.another_pool);
  CHECK_FALSE(again.ok());
  CHECK(world.Rejections("destination") > 1);
  tunnel->stream.reset();
  co_await world.End();
}

TEST_CASE("a waypoint ends the connection of a client that is revoked, and takes no other") {
  test::Run(EndsInbound());
}

Task<void> EndsOutbound() {
  World world(mesh::TunnelProtocol::kHbone);
  co_await world.Start(certs::CrlSet::None());
  auto tunnel = co_await world.Open(world.pool);
  REQUIRE(tunnel.ok());
  CHECK(co_await world.Ask(*tunnel->stream, "ping") == "ping");
  world.worker->SetCrls(world.Revoking(world.server_bundle));
  CHECK(co_await world.Hear(*tunnel->stream) == "");
  CHECK(world.Rejections("source") == 1);
  CHECK(world.Rejections("destination") == 0);
  auto again = co_await world.Open(world.another_pool);
  REQUIRE(again.ok());
  CHECK(co_await world.Hear(*again->stream) == "");
  CHECK(world.Rejections("source") > 1);
  tunnel->stream.reset();
  again->stream.reset();
  co_await world.End();
}

TEST_CASE("a waypoint ends its tunnel to an endpoint that is revoked, and opens no other") {
  test::Run(EndsOutbound());
}

Task<void> TrustsNobody() {
  World world(mesh::TunnelProtocol::kNone);
  co_await world.Start(nullptr);
  const auto refused = co_await world.Open(world.pool);
  CHECK_FALSE(refused.ok());
  world.worker->SetCrls(certs::CrlSet::None());
  auto taken = co_await world.Open(world.another_pool);
  REQUIRE(taken.ok());
  CHECK(co_await world.Ask(*taken->stream, "ping") == "ping");
  taken->stream.reset();
  co_await world.End();
}

TEST_CASE("a waypoint whose lists cannot be read takes nobody until they can be") {
  test::Run(TrustsNobody());
}

}  // namespace
}  // namespace aquifer::waypoint
