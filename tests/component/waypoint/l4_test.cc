// Connections and datagrams through a gateway's TCP, TLS and UDP listeners: a real worker on its
// thread, with clients before it and two backends behind it, over loopback.
#include <array>

#include "core/io/datagram.h"
#include "core/rt/answers.h"
#include "mesh/builder.h"
#include "tests/component/waypoint/worker_parts.h"
#include "tests/support/lines.h"
#include "tests/support/run_task.h"
#include "tests/support/until.h"
#include "tests/unit/mesh/fixtures.h"
#include "tests/unit/waypoint/hello_bytes.h"
#include "waypoint/worker.h"

namespace aquifer::waypoint {
namespace {

using test::Authority;
using test::HelloFor;
using test::ReservedPort;

constexpr std::uint16_t kServicePort = 80;

// Says its name, and then what it hears; to each datagram both together.
class Backend {
 public:
  Backend(std::string name, const std::string& ip, StopToken stop)
      : name_(std::move(name)), stop_(stop) {
    auto listening = io::Listener::Listen({mesh::IpOf(ip), 0});
    REQUIRE(listening.ok());
    listener_ = *std::move(listening);
    auto bound = io::DatagramSocket::Bind({mesh::IpOf(ip), 0});
    REQUIRE(bound.ok());
    socket_ = std::make_unique<io::DatagramSocket>(*std::move(bound));
    tasks_.Spawn(Accept());
    tasks_.Spawn(Answer());
  }
  Task<void> Join() { return tasks_.Join(); }

  std::string hostname() const { return name_ + ".app.svc.cluster.local"; }
  Address address() const { return listener_->local(); }
  Address datagrams() const { return socket_->local(); }

 private:
  Task<void> Accept() {
    while (true) {
      Result<io::SocketPtr> accepted = co_await listener_->Accept(stop_);
      if (!accepted) co_return;
      tasks_.Spawn(Reflect(*std::move(accepted)));
    }
  }
  Task<void> Reflect(io::SocketPtr socket) {
    Chunk said = Chunk::CopyOf(name_);
    while (true) {
      const Status sent = co_await socket->Write(std::move(said), stop_);
      if (!sent) co_return;
      Result<Chunk> got = co_await socket->Read(stop_);
      if (!got || got->empty()) co_return;
      said = *std::move(got);
    }
  }
  Task<void> Answer() {
    std::array<std::uint8_t, 2048> buffer;
    while ((co_await socket_->WaitReadable(stop_)).ok()) {
      const auto got = socket_->Take(buffer);
      if (!got) continue;
      const std::string reply = name_ + ":" + std::string(AsText(Bytes(buffer).first(got->size)));
      CHECK(socket_->SendTo(AsBytes(reply), got->from).ok());
    }
  }

  const std::string name_;
  const StopToken stop_;
  std::unique_ptr<io::Listener> listener_;
  std::unique_ptr<io::DatagramSocket> socket_;
  Scope tasks_;
};

Config GatewayConfig() {
  Config config;
  config.gateway_name = "gw";
  config.pod_namespace = "edge";
  config.service_account = "gw";
  config.instance_ip = "127.0.0.1";
  config.ipv6 = false;
  config.access_log = true;
  return config;
}

L4RoutePtr RouteTo(L4Route::Kind kind, std::string name, std::string listener,
                   const Backend& backend, std::vector<std::string> hostnames = {}) {
  L4Route route;
  route.kind = kind;
  route.name = {"edge", std::move(name)};
  route.hostnames = std::move(hostnames);
  route.listeners = {{{"edge", "gw"}, std::move(listener)}};
  route.backends.emplace_back();
  route.backends[0].service = {"app", backend.hostname(), kServicePort};
  route.backends[0].endpoints = {backend.datagrams()};
  return std::make_shared<const L4Route>(std::move(route));
}

// Denies whoever asks for that server.
PolicyPtr DenyServer(const std::string& name) {
  Policy policy;
  policy.name = {"edge", "deny"};
  policy.action = PolicyAction::kDeny;
  policy.targets.emplace_back();
  PolicyCondition condition;
  condition.key = PolicyCondition::Key::kConnectionSni;
  condition.patterns.values.push_back(StringPattern::Parse(name));
  policy.rules.emplace_back();
  policy.rules[0].when.push_back(std::move(condition));
  return std::make_shared<const Policy>(std::move(policy));
}

// Made on a running loop; ended by End.
struct World {
  World() { tasks.Spawn(RunStore()); }
  Task<void> RunStore() { std::ignore = co_await store.Run(stop.token()); }

  RulesRef RulesWith(std::vector<L4RoutePtr> routes, std::vector<PolicyPtr> policies = {}) const {
    auto rules = std::make_shared<Rules>();
    rules->gateway.name = {"edge", "gw"};
    rules->gateway.class_name = "aquifer";
    rules->gateway.listeners = {{"tcp", tcp.port, ListenerProtocol::kTcp, ""},
                                {"tls", tls.port, ListenerProtocol::kTls, "*.example.com"},
                                {"udp", udp.port, ListenerProtocol::kUdp, ""}};
    rules->policies = PolicyIndex(rules->gateway, std::move(policies));
    rules->routes = RouteIndex(rules->gateway, {});
    rules->l4_routes = L4Index(rules->gateway, std::move(routes));
    return rules;
  }
  mesh::SnapshotRef MeshOfBackends() const {
    mesh::Builder builder;
    const auto put = [&builder](const Backend& backend, const char* pod) {
      const Address at = backend.address();
      mesh::Service service = mesh::ServiceAt(backend.hostname(), "", "app");
      service.ports = {{kServicePort, at.port, mesh::AppProtocol::kTcp}};
      mesh::Workload workload = mesh::Joins(mesh::Pod(pod, at.ip.ToString(), "app"),
                                            backend.hostname(), {{kServicePort, at.port}});
      workload.protocol = mesh::TunnelProtocol::kNone;
      builder.Put(service);
      builder.Put(workload);
    };
    put(red, "red-1");
    put(blue, "blue-1");
    return builder.Build();
  }

  Task<void> Start(RulesRef rules) {
    const WorkerInputs inputs{.config = config,
                              .log = lines.logger(),
                              .metrics = metrics,
                              .hbone_metrics = hbone_metrics,
                              .store = store,
                              .control = Loop::Current()};
    Result<std::unique_ptr<Worker>> made = Worker::Start(inputs, 0);
    REQUIRE(made.ok());
    worker = *std::move(made);
    worker->SetMesh(MeshOfBackends());
    worker->SetRules(std::move(rules));
    Answers opened(1);
    worker->Open([&opened](Status status) { opened.Take(status); });
    const Status outcome = co_await opened.All();
    REQUIRE(outcome.ok());
  }

  Task<io::SocketPtr> Connect(std::uint16_t port) {
    Result<io::SocketPtr> socket = co_await io::Connect({Ip::Loopback4(), port}, deadline.token());
    REQUIRE(socket.ok());
    co_return *std::move(socket);
  }
  Task<void> Say(io::Socket& socket, std::string text) {
    Chunk said = Chunk::CopyOf(text);
    const Status sent = co_await socket.Write(std::move(said), deadline.token());
    REQUIRE(sent.ok());
  }
  // So many bytes; fewer if there will be no more.
  Task<std::string> Hear(io::Socket& socket, size_t size) {
    std::string heard;
    while (heard.size() < size) {
      Result<Chunk> got = co_await socket.Read(deadline.token());
      CHECK_FALSE(deadline.token().requested());
      if (!got || got->empty()) break;
      heard.append(got->text());
    }
    co_return heard;
  }
  // What a client hears that asks for that server.
  Task<std::string> AskServer(std::string name) {
    const io::SocketPtr socket = co_await Connect(tls.port);
    const std::string hello = HelloFor(name);
    co_await Say(*socket, hello);
    co_return co_await Hear(*socket, hello.size() + 3);
  }

  io::DatagramSocket UdpClient() const {
    Result<io::DatagramSocket> socket = io::DatagramSocket::Open(Ip::Loopback4());
    REQUIRE(socket.ok());
    REQUIRE(socket->Connect({Ip::Loopback4(), udp.port}).ok());
    return *std::move(socket);
  }
  Task<std::string> Ask(io::DatagramSocket& socket, std::string text) {
    REQUIRE(socket.Send(AsBytes(text)).ok());
    const Status ready = co_await socket.WaitReadable(deadline.token());
    REQUIRE(ready.ok());
    Result<std::string> got = socket.TakeWhole();
    REQUIRE(got.ok());
    co_return *std::move(got);
  }

  Task<void> End() {
    Answers ended(1);
    worker->Shutdown(std::chrono::milliseconds(1), [&ended] { ended.Take(); });
    std::ignore = co_await ended.All();
    worker.reset();
    stop.RequestStop();
    co_await red.Join();
    co_await blue.Join();
    co_await tasks.Join();
  }

  ReservedPort tcp;
  ReservedPort tls;
  ReservedPort udp{SOCK_DGRAM};
  const Config config = GatewayConfig();
  test::Lines lines;
  obs::Registry registry;
  RequestMetrics metrics{registry};
  obs::HboneMetrics hbone_metrics{registry};
  Authority authority;
  certs::CertStore store{authority, &certs::SystemWallTime};
  TimedStop deadline{StopToken(), std::chrono::seconds(30), Reason::kTimeout};
  StopSource stop;
  Backend red{"red", "127.0.0.2", stop.token()};
  Backend blue{"blu", "127.0.0.3", stop.token()};
  std::unique_ptr<Worker> worker;
  Scope tasks;
};

Task<void> CarriesTcp() {
  World world;
  co_await world.Start(world.RulesWith({RouteTo(L4Route::Kind::kTcp, "db", "tcp", world.red)}));
  io::SocketPtr client = co_await world.Connect(world.tcp.port);
  CHECK(co_await world.Hear(*client, 3) == "red");  // the server speaks first
  co_await world.Say(*client, "ping");
  CHECK(co_await world.Hear(*client, 4) == "ping");
  const Status ended = co_await client->ShutdownWrite(world.deadline.token());
  CHECK(ended.ok());
  CHECK(co_await world.Hear(*client, 1) == "");
  co_await test::Until([&world] {
    return world.lines.With({"request complete", "edge/db", "red.app", "TCP"}).size() == 1;
  });
  const std::string text = world.registry.Text();
  CHECK(text.find("istio_tcp_connections_closed_total{") != text.npos);
  CHECK(text.find("reporter=\"source\"") != text.npos);
  client.reset();
  co_await world.End();
}

TEST_CASE("a gateway carries connections of a TCP listener to the backend of its route") {
  test::Run(CarriesTcp());
}

Task<void> TurnsAway() {
  World world;
  auto route = std::make_shared<L4Route>(*RouteTo(L4Route::Kind::kTcp, "db", "tcp", world.red));
  route->backends[0].invalid = "gone";
  co_await world.Start(world.RulesWith({route}));
  // Reset as soon as it is accepted, which may be before the connect is looked at.
  Result<io::SocketPtr> client =
      co_await io::Connect({Ip::Loopback4(), world.tcp.port}, world.deadline.token());
  if (client.ok()) CHECK(co_await world.Hear(**client, 1) == "");
  co_await test::Until([&world] { return world.lines.With({"invalid_route{gone}"}).size() == 1; });
  client = Error{Reason::kPeerClosed};
  co_await world.End();
}

TEST_CASE("a connection whose backend cannot be used is turned away, and the log says why") {
  test::Run(TurnsAway());
}

Task<void> PassesTls() {
  World world;
  const std::vector<L4RoutePtr> routes = {
      RouteTo(L4Route::Kind::kTls, "a", "tls", world.red, {"a.example.com"}),
      RouteTo(L4Route::Kind::kTls, "wide", "tls", world.blue, {"*.example.com"})};
  co_await world.Start(world.RulesWith(routes, {DenyServer("denied.example.com")}));
  CHECK(co_await world.AskServer("A.example.com") == "red" + HelloFor("A.example.com"));
  CHECK(co_await world.AskServer("b.example.com") == "blu" + HelloFor("b.example.com"));
  CHECK(co_await world.AskServer("denied.example.com") == "");
  CHECK(co_await world.AskServer("a.example.org") == "");
  CHECK(co_await world.AskServer("") == "");
  io::SocketPtr plain = co_await world.Connect(world.tls.port);
  co_await world.Say(*plain, "GET / HTTP/1.1\r\n\r\n");
  CHECK(co_await world.Hear(*plain, 1) == "");
  co_await test::Until([&world] { return world.lines.With({"no_client_hello"}).size() == 1; });
  plain.reset();
  co_await world.End();
}

TEST_CASE("a gateway passes TLS on by the server's name, and answers nothing itself") {
  test::Run(PassesTls());
}

Task<void> CarriesUdp() {
  World world;
  co_await world.Start(world.RulesWith({RouteTo(L4Route::Kind::kUdp, "dns", "udp", world.red)}));
  io::DatagramSocket client = world.UdpClient();
  io::DatagramSocket another = world.UdpClient();
  CHECK(co_await world.Ask(client, "one") == "red:one");
  CHECK(co_await world.Ask(another, "two") == "red:two");
  CHECK(co_await world.Ask(client, "three") == "red:three");
  // What a session was for has gone with its route; the next datagram begins another.
  world.worker->SetRules(world.RulesWith({RouteTo(L4Route::Kind::kUdp, "dns", "udp", world.blue)}));
  co_await test::Until([&world] { return world.lines.With({"route_changed"}).size() == 2; });
  CHECK(co_await world.Ask(client, "four") == "blu:four");
  world.worker->SetRules(world.RulesWith({}));
  co_await test::Until([&world] { return world.lines.With({"route_changed"}).size() == 3; });
  REQUIRE(client.Send(AsBytes("five")).ok());
  co_await test::Until(
      [&world] { return world.lines.With({"datagram dropped", "route_not_found"}).size() == 1; });
  co_await world.End();
}

TEST_CASE(
    "the datagrams of a client are a session with one backend, as long as its route says so") {
  test::Run(CarriesUdp());
}

}  // namespace
}  // namespace aquifer::waypoint
