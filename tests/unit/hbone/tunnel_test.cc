#include <string>
#include <tuple>

#include "certs/local_ca.h"
#include "certs/tls_stream.h"
#include "core/io/copy.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "hbone/pool.h"
#include "hbone/server.h"
#include "tests/support/run_task.h"

namespace aquifer::hbone {
namespace {

using certs::Identity;

certs::WallTime Now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}
const Identity kClient{"cluster.local", "default", "client"};
const Identity kServer{"cluster.local", "default", "server"};

certs::CertificateBundle Issue(const certs::LocalCa& ca, const Identity& identity) {
  certs::PrivateKey key = certs::PrivateKey::Generate();
  Decoded<std::string> leaf = ca.Issue(key.get(), identity, std::chrono::hours(1), Now());
  REQUIRE(leaf.ok());
  Decoded<certs::CertificateBundle> bundle =
      certs::CertificateBundle::FromResponse(std::move(key), ca.ResponseChain(*leaf));
  REQUIRE(bundle.ok());
  return *std::move(bundle);
}

// Answers with what it hears; refuses port 403.
class EchoHandler final : public ConnectHandler {
 public:
  Task<void> OnConnect(IncomingTunnel tunnel, StopToken stop) override {
    ++connects;
    last_peer = tunnel.peer;
    if (std::get<Address>(tunnel.request.authority).port == 403) {
      std::ignore = tunnel.Refuse(401, "policy default/deny");
      co_return;
    }
    std::ignore = tunnel.Accept();
    while (true) {
      Result<Chunk> got = co_await tunnel.stream->Read(stop);
      if (!got || got->empty()) break;
      const Status sent = co_await tunnel.stream->Write(*std::move(got), stop);
      if (!sent) break;
    }
    std::ignore = co_await tunnel.stream->ShutdownWrite(stop);
  }
  void OnHandshakeFailed(const Address&, const Address&, const Error& error,
                         const std::string&) override {
    failed.push_back(error.reason);
  }
  void OnBadRequest(const Address&, const Identity&, const Refusal&) override { ++bad_requests; }
  void OnConnectionBroken(const Address&, const Identity&, const Error& error) override {
    broken.push_back(error.reason);
  }

  int connects = 0;
  int bad_requests = 0;
  Identity last_peer;
  std::vector<Reason> failed;
  std::vector<Reason> broken;
};

struct Mesh {
  explicit Mesh(const PoolOptions& options = {})
      : ca(certs::LocalCa::Create("test", Now())),
        client(certs::TlsContext::MeshClient(Issue(ca, kClient))),
        server(certs::TlsContext::MeshServer(Issue(ca, kServer))),
        pool(options) {
    Result<std::unique_ptr<io::Listener>> made = io::Listener::Listen(Address{Ip::Loopback4(), 0});
    REQUIRE(made.ok());
    listener = *std::move(made);
  }
  PoolKey Key() const { return PoolKey{kClient, "", {kServer}, "", listener->local()}; }
  Task<void> Finish() {
    co_await pool.Shutdown();
    stop.RequestStop();
    co_await connections.Join();
  }

  certs::LocalCa ca;
  certs::TlsContextRef client;
  certs::TlsContextRef server;
  std::unique_ptr<io::Listener> listener;
  EchoHandler handler;
  std::shared_ptr<Dialer> dialer = std::make_shared<PlainDialer>();
  StopSource drain;
  StopSource stop;
  Scope connections;
  Pool pool;
  int accepted = 0;
};

Task<void> AcceptLoop(Mesh& mesh) {
  while (true) {
    Result<io::SocketPtr> socket = co_await mesh.listener->Accept(mesh.stop.token());
    if (!socket) co_return;
    ++mesh.accepted;
    mesh.connections.Spawn(ServeConnection(*std::move(socket), mesh.server,
                                           certs::InTrustDomain{"cluster.local"}, ServerOptions{},
                                           mesh.handler, mesh.drain.token(), mesh.stop.token()));
  }
}

ConnectRequest To(std::uint16_t port) {
  return ConnectRequest{.authority = Address{Ip::V4(10, 0, 0, 1), port},
                        .baggage = {},
                        .forwarded_for = {},
                        .forwarded_host = {},
                        .traceparent = {},
                        .forwarded_network = {}};
}

Task<Result<Tunnel, TunnelError>> OpenTo(Mesh& mesh, PoolKey key, std::uint16_t port) {
  ConnectRequest request = To(port);
  return mesh.pool.Open(std::move(key), mesh.dialer, mesh.client, std::move(request), StopToken());
}

// Lets each dial through, or fails it, when the test says so.
class HeldDialer final : public Dialer {
 public:
  struct Held {
    Event decided;
    bool fails = false;
  };
  Task<Result<io::SocketPtr>> Dial(Address to, StopToken stop) override {
    const std::shared_ptr<Held> mine = std::make_shared<Held>();
    dials.push_back(mine);
    arrived.Wake();
    const Status waited = co_await mine->decided.Wait(stop);
    if (!waited) co_return waited.error();
    if (mine->fails) co_return Error{Reason::kConnectRefused};
    co_return co_await io::Connect(to, stop);
  }
  Task<void> Await(std::size_t count) {
    while (dials.size() < count) std::ignore = co_await arrived.Wait(StopToken());
  }

  std::vector<std::shared_ptr<Held>> dials;
  Event arrived;
};

Task<void> OpenOne(Mesh& mesh, PoolKey key, std::uint16_t port,
                   std::vector<Result<Tunnel, TunnelError>>& out) {
  out.push_back(co_await OpenTo(mesh, std::move(key), port));
}

Task<void> Drive(http::H2Connection& connection) {
  std::ignore = co_await connection.Run(StopToken());
}

}  // namespace

TEST_CASE("a tunnel carries bytes as the client's identity") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    mesh.connections.Spawn(AcceptLoop(mesh));
    Result<Tunnel, TunnelError> tunnel = co_await OpenTo(mesh, mesh.Key(), 80);
    REQUIRE(tunnel.ok());
    CHECK(tunnel->peer == kServer);
    CHECK(mesh.handler.last_peer == kClient);
    std::ignore = co_await tunnel->stream->Write(Chunk::CopyOf("hello"), StopToken());
    std::ignore = co_await tunnel->stream->ShutdownWrite(StopToken());
    const Result<Chunk> got = co_await tunnel->stream->Read(StopToken());
    CHECK(got->text() == "hello");
    tunnel->stream.reset();
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("everything that waits for one dial shares its connection") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    mesh.connections.Spawn(AcceptLoop(mesh));
    std::vector<Result<Tunnel, TunnelError>> tunnels;
    Scope opening;
    for (int i = 0; i < 50; ++i) opening.Spawn(OpenOne(mesh, mesh.Key(), 80, tunnels));
    co_await opening.Join();
    CHECK(tunnels.size() == 50);
    for (const Result<Tunnel, TunnelError>& tunnel : tunnels) CHECK(tunnel.ok());
    CHECK(mesh.accepted == 1);
    tunnels.clear();
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("a connection takes tunnels again when others have ended") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    mesh.connections.Spawn(AcceptLoop(mesh));
    for (int i = 0; i < 300; ++i) {
      Result<Tunnel, TunnelError> tunnel = co_await OpenTo(mesh, mesh.Key(), 80);
      REQUIRE(tunnel.ok());
      std::ignore = co_await tunnel->stream->ShutdownWrite(StopToken());
      std::ignore = co_await tunnel->stream->Read(StopToken());
    }
    CHECK(mesh.accepted == 1);
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("another expected identity never shares a connection and is checked") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    mesh.connections.Spawn(AcceptLoop(mesh));
    PoolKey wrong = mesh.Key();
    wrong.expected = {Identity{"cluster.local", "default", "other"}};
    const Result<Tunnel, TunnelError> refused = co_await OpenTo(mesh, wrong, 80);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().error.reason == Reason::kIdentityMismatch);
    CHECK(mesh.handler.connects == 0);
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("a refused CONNECT tells the status and why") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    mesh.connections.Spawn(AcceptLoop(mesh));
    const Result<Tunnel, TunnelError> refused = co_await OpenTo(mesh, mesh.Key(), 403);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().error.reason == Reason::kPolicyDenied);
    CHECK(refused.error().status == 401);
    CHECK(refused.error().refusal == "policy default/deny");
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("all who wait for a dead destination fail together") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    PoolKey key = mesh.Key();
    mesh.listener.reset();
    std::vector<Result<Tunnel, TunnelError>> tunnels;
    Scope opening;
    for (int i = 0; i < 10; ++i) opening.Spawn(OpenOne(mesh, key, 80, tunnels));
    co_await opening.Join();
    for (const Result<Tunnel, TunnelError>& tunnel : tunnels)
      CHECK(tunnel.error().error.reason == Reason::kConnectRefused);
    CHECK(mesh.pool.connections() == 0);
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("a dial that fails beside another one takes nothing from it") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    mesh.connections.Spawn(AcceptLoop(mesh));
    const auto held = std::make_shared<HeldDialer>();
    mesh.dialer = held;
    std::vector<Result<Tunnel, TunnelError>> tunnels;
    Scope opening;
    for (std::size_t i = 0; i <= PoolOptions{}.max_streams_per_connection; ++i)
      opening.Spawn(OpenOne(mesh, mesh.Key(), 80, tunnels));
    co_await held->Await(2);
    held->dials[1]->fails = true;
    held->dials[1]->decided.Set();
    while (tunnels.empty()) std::ignore = co_await SleepFor(std::chrono::milliseconds(1), {});
    CHECK_FALSE(tunnels.front().ok());
    held->dials[0]->decided.Set();
    co_await opening.Join();
    std::size_t good = 0;
    for (const Result<Tunnel, TunnelError>& tunnel : tunnels) good += tunnel.ok() ? 1 : 0;
    CHECK(good == PoolOptions{}.max_streams_per_connection);
    tunnels.clear();
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE(
    "a forgotten origin loses its dials and connections, its successor of the same name none") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    mesh.connections.Spawn(AcceptLoop(mesh));
    PoolKey former = mesh.Key();
    former.origin = mesh.pool.NewOrigin("uid-1");
    PoolKey latter = mesh.Key();
    latter.origin = mesh.pool.NewOrigin("uid-1");
    Result<Tunnel, TunnelError> of_former = co_await OpenTo(mesh, former, 80);
    Result<Tunnel, TunnelError> of_latter = co_await OpenTo(mesh, latter, 80);
    REQUIRE(of_former.ok());
    REQUIRE(of_latter.ok());
    CHECK(mesh.accepted == 2);

    const auto held = std::make_shared<HeldDialer>();
    mesh.dialer = held;
    former.source.service_account = "other";
    std::vector<Result<Tunnel, TunnelError>> tunnels;
    Scope opening;
    opening.Spawn(OpenOne(mesh, former, 80, tunnels));
    co_await held->Await(1);
    mesh.pool.Forget(former.origin);
    co_await opening.Join();
    REQUIRE(tunnels.size() == 1);
    CHECK_FALSE(tunnels.front().ok());
    CHECK_FALSE((co_await of_former->stream->Read(StopToken())).ok());
    std::ignore = co_await of_latter->stream->Write(Chunk::CopyOf("still"), StopToken());
    const Result<Chunk> got = co_await of_latter->stream->Read(StopToken());
    REQUIRE(got.ok());
    CHECK(got->text() == "still");
    of_former->stream.reset();
    of_latter->stream.reset();
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("a drained server lets its tunnels end and the pool dials anew") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    mesh.connections.Spawn(AcceptLoop(mesh));
    {
      Result<Tunnel, TunnelError> tunnel = co_await OpenTo(mesh, mesh.Key(), 80);
      REQUIRE(tunnel.ok());
      mesh.drain.RequestStop(Reason::kDrained);
      std::ignore = co_await tunnel->stream->Write(Chunk::CopyOf("late"), StopToken());
      const Result<Chunk> got = co_await tunnel->stream->Read(StopToken());
      CHECK(got->text() == "late");
    }
    while (mesh.pool.connections() > 0)
      std::ignore = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("a connection that comes as the drain begins still carries the tunnel it was made for") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    mesh.connections.Spawn(AcceptLoop(mesh));
    mesh.drain.RequestStop(Reason::kDrained);
    Result<io::SocketPtr> socket = co_await io::Connect(mesh.listener->local(), StopToken());
    REQUIRE(socket.ok());
    certs::PeerExpectation expected = certs::OneOf{{kServer}};
    Result<certs::TlsStreamPtr, certs::TlsFailure> secure = co_await certs::ClientHandshake(
        *std::move(socket), mesh.client, std::move(expected), Now(), StopToken());
    REQUIRE(secure.ok());
    http::H2Connection h2(http::H2Role::kClient, *std::move(secure), http::H2Options{});
    Scope driving;
    driving.Spawn(Drive(h2));
    // Until the server's SETTINGS are there, and whatever it sends along with them.
    const std::size_t assumed = h2.available_streams();
    while (h2.available_streams() == assumed)
      std::ignore = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
    const Result<http::H2StreamPtr> stream = h2.Open(EncodeRequest(To(80)), http::EndStream::kYes);
    REQUIRE(stream.ok());
    const Result<http::ResponseHead> answer = co_await (*stream)->ReadHead(StopToken());
    REQUIRE(answer.ok());
    CHECK(answer->status == 200);
    co_await driving.Join();
    co_await mesh.Finish();
  };
  test::Run(body());
}

// Anything is bulk, and for long.
PoolOptions Touchy() {
  PoolOptions options;
  options.h2.bulk_bytes = 20'000;
  options.h2.bulk_span = std::chrono::hours(1);
  options.patience = std::chrono::seconds(30);
  return options;
}

// A tunnel that has carried bulk.
Task<Tunnel> OpenBulk(Mesh& mesh) {
  Result<Tunnel, TunnelError> tunnel = co_await OpenTo(mesh, mesh.Key(), 80);
  REQUIRE(tunnel.ok());
  std::ignore =
      co_await tunnel->stream->Write(Chunk::CopyOf(std::string(20'000, 'x')), StopToken());
  for (std::size_t heard = 0; heard < 20'000;) {
    const Result<Chunk> got = co_await tunnel->stream->Read(StopToken());
    REQUIRE(got.ok());
    heard += got->size();
  }
  co_return *std::move(tunnel);
}

TEST_CASE("new tunnels keep away from a connection that carries bulk, and share another") {
  const auto body = []() -> Task<void> {
    Mesh mesh(Touchy());
    mesh.connections.Spawn(AcceptLoop(mesh));
    {
      const Tunnel bulk = co_await OpenBulk(mesh);
      std::vector<Result<Tunnel, TunnelError>> small;
      Scope opening;
      for (int i = 0; i < 20; ++i) opening.Spawn(OpenOne(mesh, mesh.Key(), 80, small));
      co_await opening.Join();
      for (const Result<Tunnel, TunnelError>& tunnel : small) CHECK(tunnel.ok());
      CHECK(mesh.accepted == 2);
      CHECK((co_await OpenTo(mesh, mesh.Key(), 80)).ok());
      CHECK(mesh.accepted == 2);
    }
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("bulk gets a bounded number of connections") {
  const auto body = []() -> Task<void> {
    Mesh mesh(Touchy());
    mesh.connections.Spawn(AcceptLoop(mesh));
    {
      std::vector<Tunnel> bulk;
      for (int i = 0; i < 12; ++i) bulk.push_back(co_await OpenBulk(mesh));
      CHECK(mesh.accepted == 4);
    }
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("a tunnel takes bulk's connection when no other can be had") {
  const auto body = []() -> Task<void> {
    PoolOptions options = Touchy();
    options.patience = std::chrono::milliseconds(5);
    Mesh mesh(options);
    mesh.connections.Spawn(AcceptLoop(mesh));
    {
      const Tunnel bulk = co_await OpenBulk(mesh);
      const auto held = std::make_shared<HeldDialer>();
      mesh.dialer = held;
      CHECK((co_await OpenTo(mesh, mesh.Key(), 80)).ok());
      CHECK(held->dials.size() == 1);
      // Nor does a dial that fails fail who has another way.
      std::vector<Result<Tunnel, TunnelError>> small;
      Scope opening;
      opening.Spawn(OpenOne(mesh, mesh.Key(), 80, small));
      held->dials[0]->fails = true;
      held->dials[0]->decided.Set();
      co_await opening.Join();
      CHECK(small.front().ok());
    }
    CHECK(mesh.accepted == 1);
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("a handshake can be ended early, and not once the peer is known") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    Result<io::SocketPtr> silent = co_await io::Connect(mesh.listener->local(), StopToken());
    REQUIRE(silent.ok());
    Result<io::SocketPtr> accepted = co_await mesh.listener->Accept(StopToken());
    StopSource handshake;
    ServerOptions options;
    options.handshake_stop = handshake.token();
    handshake.RequestStop(Reason::kOverload);
    co_await ServeConnection(*std::move(accepted), mesh.server,
                             certs::InTrustDomain{"cluster.local"}, options, mesh.handler,
                             StopToken(), StopToken());
    CHECK(mesh.handler.failed == std::vector<Reason>{Reason::kOverload});

    StopSource later;
    options.handshake_stop = later.token();
    options.on_authenticated = [&later] { later.RequestStop(Reason::kOverload); };
    struct Serving {
      static Task<void> Run(Mesh& mesh, const ServerOptions& options) {
        Result<io::SocketPtr> socket = co_await mesh.listener->Accept(StopToken());
        co_await ServeConnection(*std::move(socket), mesh.server,
                                 certs::InTrustDomain{"cluster.local"}, options, mesh.handler,
                                 StopToken(), mesh.stop.token());
      }
    };
    mesh.connections.Spawn(Serving::Run(mesh, options));
    Result<Tunnel, TunnelError> tunnel = co_await OpenTo(mesh, mesh.Key(), 80);
    REQUIRE(tunnel.ok());
    CHECK(later.requested());
    std::ignore = co_await tunnel->stream->Write(Chunk::CopyOf("still"), StopToken());
    CHECK((co_await tunnel->stream->Read(StopToken()))->text() == "still");
    tunnel->stream.reset();
    co_await mesh.Finish();
  };
  test::Run(body());
}

TEST_CASE("a client that never speaks is let go at the deadline") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    Result<io::SocketPtr> silent = co_await io::Connect(mesh.listener->local(), StopToken());
    REQUIRE(silent.ok());
    Result<io::SocketPtr> accepted = co_await mesh.listener->Accept(StopToken());
    ServerOptions options;
    options.handshake_timeout = std::chrono::milliseconds(5);
    co_await ServeConnection(*std::move(accepted), mesh.server,
                             certs::InTrustDomain{"cluster.local"}, options, mesh.handler,
                             StopToken(), StopToken());
    CHECK(mesh.handler.failed == std::vector<Reason>{Reason::kHandshakeTimeout});
    co_await mesh.Finish();
  };
  test::Run(body());
}

}  // namespace aquifer::hbone
