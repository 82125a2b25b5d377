#include <string>
#include <tuple>

#include "core/io/copy.h"
#include "core/rt/timer.h"
#include "tests/support/run_task.h"
#include "tests/unit/hbone/mesh.h"

namespace aquifer::hbone {
namespace {

using certs::Identity;
using test::AcceptLoop;
using test::HeldDialer;
using test::kClient;
using test::kServer;
using test::Mesh;
using test::OpenOne;
using test::OpenTo;
using test::To;

Task<void> Drive(http::H2Connection& connection) {
  std::ignore = co_await connection.Run(StopToken());
}

Task<void> OpenUntil(Mesh& mesh, PoolKey key, StopToken stop,
                     std::vector<Result<Tunnel, TunnelError>>& out) {
  ConnectRequest request = To(80);
  out.push_back(
      co_await mesh.pool.Open(std::move(key), mesh.dialer, mesh.client, std::move(request), stop));
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
  aquifer::test::Run(body());
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
  aquifer::test::Run(body());
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
  aquifer::test::Run(body());
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
  aquifer::test::Run(body());
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
  aquifer::test::Run(body());
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
  aquifer::test::Run(body());
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
  aquifer::test::Run(body());
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
  aquifer::test::Run(body());
}

TEST_CASE("a drain does not wait for a dial whose caller has gone") {
  const auto body = []() -> Task<void> {
    Mesh mesh;
    mesh.connections.Spawn(AcceptLoop(mesh));
    const auto held = std::make_shared<HeldDialer>();
    mesh.dialer = held;
    std::vector<Result<Tunnel, TunnelError>> tunnels;
    Scope opening;
    opening.Spawn(OpenOne(mesh, mesh.Key(), 80, tunnels));
    co_await held->Await(1);
    held->dials[0]->decided.Set();
    co_await opening.Join();
    REQUIRE(tunnels.front().ok());
    PoolKey other = mesh.Key();
    other.origin = "pod";
    StopSource gone;
    opening.Spawn(OpenUntil(mesh, other, gone.token(), tunnels));
    co_await held->Await(2);
    gone.RequestStop();
    co_await opening.Join();
    // From here on it needs nobody to become a connection.
    held->dials[1]->decided.Set();
    co_await mesh.pool.Drain(std::chrono::milliseconds(300));
    CHECK(mesh.pool.connections() == 1);
    tunnels.clear();
    co_await mesh.pool.Drain(std::chrono::seconds(20));
    CHECK(mesh.pool.connections() == 0);
    co_await mesh.Finish();
  };
  aquifer::test::Run(body());
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
  aquifer::test::Run(body());
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
        *std::move(socket), mesh.client, std::move(expected), certs::SystemWallTime(), StopToken());
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
  aquifer::test::Run(body());
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
  aquifer::test::Run(body());
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
  aquifer::test::Run(body());
}

}  // namespace aquifer::hbone
