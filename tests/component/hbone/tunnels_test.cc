// Tunnels through pool, TLS, HTTP/2 and server: how they end, what they do to each other, and what
// a bad destination does to the others.
#include "core/rt/timer.h"
#include "hbone/pool.h"
#include "hbone/server.h"
#include "tests/component/hbone/mesh.h"
#include "tests/component/hbone/wire.h"
#include "tests/support/run_task.h"

namespace aquifer::hbone {
namespace {

using std::chrono::milliseconds;
using test::Credentials;
using test::SocketPair;
using test::To;

// Does what the port of the CONNECT says.
class Ports final : public ConnectHandler {
 public:
  static constexpr std::uint16_t kEcho = 1;
  static constexpr std::uint16_t kStall = 2;     // never reads
  static constexpr std::uint16_t kReset = 3;     // after the first bytes
  static constexpr std::uint16_t kEndFirst = 4;  // says its piece and ends, then hears
  static constexpr std::uint16_t kWatch = 5;     // notes how the stream ends
  static constexpr std::uint16_t kLate = 6;      // ends first, and reads only when told to

  Task<void> OnConnect(IncomingTunnel tunnel, StopToken stop) override {
    const std::uint16_t port = std::get<Address>(tunnel.request.authority).port;
    std::ignore = tunnel.Accept();
    http::H2Stream& stream = *tunnel.stream;
    if (port == kStall) {
      std::ignore = co_await never_.Wait(stop);
      co_return;
    }
    if (port == kLate) {
      std::ignore = co_await stream.ShutdownWrite(stop);
      const Status told = co_await read_now.Wait(stop);
      if (!told) co_return;
    }
    if (port == kEndFirst) {
      std::ignore = co_await stream.Write(Chunk::CopyOf("from the server"), stop);
      std::ignore = co_await stream.ShutdownWrite(stop);
    }
    while (true) {
      Result<Chunk> got = co_await stream.Read(stop);
      if (!got) {
        ended = got.error();
        co_return;
      }
      if (got->empty()) break;
      heard += got->size();
      if (port == kReset) co_return stream.Reset();
      if (port != kEcho) continue;
      const Status sent = co_await stream.Write(*std::move(got), stop);
      if (!sent) co_return;
    }
    ++fins;
    std::ignore = co_await stream.ShutdownWrite(stop);
  }
  void OnHandshakeFailed(const Address&, const Address&, const Error&,
                         const std::string&) override {}
  void OnBadRequest(const Address&, const certs::Identity&, const Refusal&) override {}
  void OnConnectionBroken(const Address&, const certs::Identity&, const Error&) override {}

  std::size_t heard = 0;
  int fins = 0;
  Status ended;
  Event read_now;

 private:
  Event never_;
};

// Dials a server in this process, through a cable; some gateways lead elsewhere.
struct Mesh final : public Dialer {
  static constexpr std::uint16_t kNobody = 666;  // the dial never ends
  static constexpr std::uint16_t kMute = 667;    // connects, and that is all

  explicit Mesh(const PoolOptions& options = {}) : pool(options) {}

  Task<Result<io::SocketPtr>> Dial(Address to, StopToken stop) override {
    ++dials;
    if (to.port == kNobody) {
      Event never;
      const Status waited = co_await never.Wait(stop);
      co_return waited.error();
    }
    AQ_CO_TRY(SocketPair first, co_await test::MakeTcpPair(stop));
    if (to.port == kMute) {
      mute.push_back(std::move(first.far));
      co_return std::move(first.near);
    }
    AQ_CO_TRY(SocketPair second, co_await test::MakeTcpPair(stop));
    tasks.Spawn(RunWire(std::move(first.far), std::move(second.near)));
    tasks.Spawn(ServeConnection(std::move(second.far), credentials.server,
                                certs::InTrustDomain{"cluster.local"}, server_options, ports,
                                drain.token(), stop_all.token()));
    co_return std::move(first.near);
  }
  Task<void> RunWire(io::SocketPtr client, io::SocketPtr server) {
    test::Wire cable(std::move(client), std::move(server), wire, stop_all.token());
    co_await cable.Run();
  }

  PoolKey Key(std::uint16_t gateway = kPort, std::string origin = {}) const {
    return PoolKey{credentials.client_id,
                   std::move(origin),
                   {credentials.server_id},
                   "",
                   Address{Ip::Loopback4(), gateway}};
  }
  Task<Result<Tunnel, TunnelError>> Open(std::uint16_t port, PoolKey key,
                                         StopToken stop = StopToken()) {
    // The mesh outlives its pool: nobody has to count it.
    std::shared_ptr<Dialer> dialer(std::shared_ptr<void>(), this);
    ConnectRequest request = To(port);
    return pool.Open(std::move(key), std::move(dialer), credentials.client, std::move(request),
                     stop);
  }
  Task<void> Finish() {
    co_await pool.Shutdown();
    stop_all.RequestStop();
    co_await tasks.Join();
    mute.clear();
  }

  Credentials credentials;
  Ports ports;
  ServerOptions server_options;
  test::WirePlan wire;
  std::vector<io::SocketPtr> mute;
  int dials = 0;
  StopSource drain;
  StopSource stop_all;
  Pool pool;
  Scope tasks;
};

Task<http::H2StreamPtr> OpenStream(Mesh& mesh, std::uint16_t port) {
  Result<Tunnel, TunnelError> tunnel = co_await mesh.Open(port, mesh.Key());
  REQUIRE(tunnel.ok());
  co_return std::move(tunnel->stream);
}

// Opens and keeps the outcome.
Task<void> OpenInto(Mesh& mesh, std::uint16_t port, PoolKey key, StopToken stop,
                    std::vector<Result<Tunnel, TunnelError>>& out) {
  out.push_back(co_await mesh.Open(port, std::move(key), stop));
}

Task<void> Send(io::Stream& stream, std::size_t bytes, Status& sent) {
  const std::string piece(10'000, 'x');
  while (bytes > 0 && sent.ok()) {
    const std::size_t size = std::min(bytes, piece.size());
    Chunk chunk = Chunk::CopyOf(std::string_view(piece).substr(0, size));
    sent = co_await stream.Write(std::move(chunk), StopToken());
    bytes -= size;
  }
  if (sent.ok()) sent = co_await stream.ShutdownWrite(StopToken());
}

// How many bytes came before the end, or the error.
Task<Result<std::size_t>> ReadToEnd(io::Stream& stream) {
  std::size_t bytes = 0;
  while (true) {
    AQ_CO_TRY(const Chunk got, co_await stream.Read(StopToken()));
    if (got.empty()) co_return bytes;
    bytes += got.size();
  }
}

// Sends that many bytes to the echo and takes them back.
Task<void> Echo(Mesh& mesh, std::size_t bytes, int& whole) {
  const http::H2StreamPtr stream = co_await OpenStream(mesh, Ports::kEcho);
  Status sent;
  Scope sending;
  sending.Spawn(Send(*stream, bytes, sent));
  const Result<std::size_t> got = co_await ReadToEnd(*stream);
  co_await sending.Join();
  if (sent.ok() && got.ok() && *got == bytes) ++whole;
}

Task<void> Drip() {
  Mesh mesh;
  mesh.wire.drip_bytes = 1;
  int whole = 0;
  co_await Echo(mesh, 3'000, whole);
  CHECK(whole == 1);
  co_await mesh.Finish();
}

Task<void> ServerEndsFirst() {
  Mesh mesh;
  const http::H2StreamPtr stream = co_await OpenStream(mesh, Ports::kEndFirst);
  const Result<std::size_t> got = co_await ReadToEnd(*stream);
  REQUIRE(got.ok());
  CHECK(*got == 15);
  Status sent;
  co_await Send(*stream, 500'000, sent);
  CHECK(sent.ok());
  while (mesh.ports.fins == 0) std::ignore = co_await SleepFor(milliseconds(1), StopToken());
  CHECK(mesh.ports.heard == 500'000);
  co_await mesh.Finish();
}

Task<void> ServerResets() {
  Mesh mesh;
  const http::H2StreamPtr doomed = co_await OpenStream(mesh, Ports::kReset);
  std::ignore = co_await doomed->Write(Chunk::CopyOf("hello"), StopToken());
  const Result<std::size_t> got = co_await ReadToEnd(*doomed);
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().reason == Reason::kPeerReset);
  int whole = 0;
  co_await Echo(mesh, 10'000, whole);
  CHECK(whole == 1);
  CHECK(mesh.dials == 1);
  co_await mesh.Finish();
}

Task<void> ClientResets() {
  Mesh mesh;
  http::H2StreamPtr doomed = co_await OpenStream(mesh, Ports::kWatch);
  std::ignore = co_await doomed->Write(Chunk::CopyOf("hello"), StopToken());
  while (mesh.ports.heard == 0) std::ignore = co_await SleepFor(milliseconds(1), StopToken());
  doomed->Reset();
  doomed.reset();
  int whole = 0;
  co_await Echo(mesh, 10'000, whole);
  CHECK(whole == 1);
  CHECK(mesh.ports.ended.error().reason == Reason::kPeerReset);
  CHECK(mesh.ports.fins == 1);  // the echo's
  CHECK(mesh.dials == 1);
  co_await mesh.Finish();
}

Task<void> DrainsUnderLoad() {
  Mesh mesh;
  int whole = 0;
  Scope running;
  for (int i = 0; i < 4; ++i) running.Spawn(Echo(mesh, 2'000'000, whole));
  while (mesh.ports.heard == 0) std::ignore = co_await SleepFor(milliseconds(1), StopToken());
  mesh.drain.RequestStop(Reason::kDrained);
  co_await running.Join();
  CHECK(whole == 4);
  CHECK(mesh.dials == 1);
  while (mesh.pool.connections() > 0) std::ignore = co_await SleepFor(milliseconds(1), StopToken());
  co_await mesh.Finish();
}

// The connection has ended when the far end takes what came over it.
Task<void> DeliversAfterTheEnd() {
  Mesh mesh;
  {
    const http::H2StreamPtr stream = co_await OpenStream(mesh, Ports::kLate);
    Status sent;
    co_await Send(*stream, 200'000, sent);
    CHECK(sent.ok());
    const Result<std::size_t> got = co_await ReadToEnd(*stream);
    CHECK(got.ok());
  }
  co_await mesh.pool.Drain(std::chrono::seconds(20));
  CHECK(mesh.pool.connections() == 0);
  mesh.ports.read_now.Set();
  while (mesh.ports.fins == 0 && mesh.ports.ended.ok() && mesh.tasks.live() > 0)
    std::ignore = co_await SleepFor(milliseconds(1), StopToken());
  CHECK(mesh.ports.fins == 1);
  CHECK(mesh.ports.heard == 200'000);
  co_await mesh.Finish();
}

// More standing bytes than the connection's window: the sum of all stalled streams' first windows.
Task<void> StalledNeighbours() {
  Mesh mesh;
  constexpr std::size_t kStalled = 70;
  std::vector<http::H2StreamPtr> stalled;
  std::vector<Status> outcomes(kStalled);
  Scope stuck;
  for (std::size_t i = 0; i < kStalled; ++i) {
    stalled.push_back(co_await OpenStream(mesh, Ports::kStall));
    stuck.Spawn(Send(*stalled.back(), 1'000'000, outcomes[i]));
  }
  int whole = 0;
  for (int i = 0; i < 3; ++i) co_await Echo(mesh, 1'000'000, whole);
  CHECK(whole == 3);
  CHECK(mesh.dials <= 4);           // as many as bulk may have
  CHECK(stuck.live() == kStalled);  // each of them still waits for its own reader
  co_await mesh.pool.Shutdown();
  co_await stuck.Join();
  for (const Status& outcome : outcomes) CHECK_FALSE(outcome.ok());
  stalled.clear();
  co_await mesh.Finish();
}

Task<void> DeadDestination() {
  Mesh mesh;
  StopSource stop;
  std::vector<Result<Tunnel, TunnelError>> waiting;
  Scope opening;
  for (int i = 0; i < 150; ++i)
    opening.Spawn(OpenInto(mesh, Ports::kEcho, mesh.Key(Mesh::kNobody), stop.token(), waiting));
  int whole = 0;
  co_await Echo(mesh, 1'000, whole);
  CHECK(whole == 1);
  CHECK(waiting.empty());
  CHECK(mesh.dials == 3);  // as many as their connections would have room, and the good one
  stop.RequestStop(Reason::kDrained);
  co_await opening.Join();
  for (const auto& outcome : waiting) CHECK(outcome.error().error.reason == Reason::kDrained);
  co_await mesh.Finish();
}

Task<void> Deadline(std::uint16_t gateway, Clock::duration PoolOptions::* bound, Reason reason) {
  PoolOptions options;
  options.*bound = milliseconds(10);
  Mesh mesh(options);
  std::vector<Result<Tunnel, TunnelError>> outcomes;
  Scope opening;
  for (int i = 0; i < 5; ++i)
    opening.Spawn(OpenInto(mesh, Ports::kEcho, mesh.Key(gateway), StopToken(), outcomes));
  co_await opening.Join();
  REQUIRE(outcomes.size() == 5);
  for (const auto& outcome : outcomes) CHECK(outcome.error().error.reason == reason);
  CHECK(mesh.dials == 1);
  CHECK(mesh.pool.connections() == 0);
  co_await mesh.Finish();
}

Task<void> ForgottenDial() {
  Mesh mesh;
  std::vector<Result<Tunnel, TunnelError>> outcomes;
  Scope opening;
  for (const std::uint16_t gateway : {Mesh::kNobody, Mesh::kMute})
    opening.Spawn(OpenInto(mesh, Ports::kEcho, mesh.Key(gateway, "pod"), StopToken(), outcomes));
  int whole = 0;
  co_await Echo(mesh, 1'000, whole);
  CHECK(outcomes.empty());
  mesh.pool.Forget("pod");
  co_await opening.Join();
  for (const auto& outcome : outcomes) CHECK(outcome.error().error.reason == Reason::kStopped);
  co_await Echo(mesh, 1'000, whole);
  CHECK(whole == 2);
  CHECK(mesh.dials == 3);
  co_await mesh.Finish();
}

Task<void> StoppedWaiters() {
  Mesh mesh;
  std::vector<Result<Tunnel, TunnelError>> outcomes;
  for (int i = 0; i < 300; ++i) {
    StopSource stop;
    Scope opening;
    opening.Spawn(OpenInto(mesh, Ports::kEcho, mesh.Key(Mesh::kNobody), stop.token(), outcomes));
    std::ignore = co_await SleepFor(Clock::duration(1), StopToken());
    stop.RequestStop(Reason::kStopped);
    co_await opening.Join();
  }
  CHECK(mesh.dials == 1);
  co_await mesh.Finish();
}

Task<void> ShutdownWhileWaiting() {
  Mesh mesh;
  std::vector<Result<Tunnel, TunnelError>> outcomes;
  Scope opening;
  for (const std::uint16_t gateway : {Mesh::kNobody, Mesh::kMute})
    opening.Spawn(OpenInto(mesh, Ports::kEcho, mesh.Key(gateway), StopToken(), outcomes));
  while (mesh.mute.empty()) std::ignore = co_await SleepFor(milliseconds(1), StopToken());
  co_await mesh.pool.Shutdown();
  co_await opening.Join();
  REQUIRE(outcomes.size() == 2);
  for (const auto& outcome : outcomes) CHECK(outcome.error().error.reason == Reason::kStopped);
  const auto late = co_await mesh.Open(Ports::kEcho, mesh.Key());
  CHECK(late.error().error.reason == Reason::kStopped);
  co_await mesh.Finish();
}

Task<void> IdleEnds() {
  PoolOptions options;
  options.idle_timeout = milliseconds(8);
  Mesh mesh(options);
  const http::H2StreamPtr busy = co_await OpenStream(mesh, Ports::kEcho);
  std::ignore = co_await SleepFor(milliseconds(40), StopToken());
  CHECK(mesh.pool.connections() == 1);
  std::ignore = co_await busy->ShutdownWrite(StopToken());
  const Result<std::size_t> rest = co_await ReadToEnd(*busy);
  CHECK(rest.ok());
  while (mesh.pool.connections() > 0) std::ignore = co_await SleepFor(milliseconds(1), StopToken());
  int whole = 0;
  co_await Echo(mesh, 1'000, whole);
  CHECK(whole == 1);
  CHECK(mesh.dials == 2);
  co_await mesh.Finish();
}

}  // namespace

TEST_CASE("a tunnel carries the same bytes over a cable that passes one at a time") {
  aquifer::test::Run(Drip());
}
TEST_CASE("a server that ended first still hears everything") {
  aquifer::test::Run(ServerEndsFirst());
}
TEST_CASE("a reset by the server reaches the client as a reset, and only on its stream") {
  aquifer::test::Run(ServerResets());
}
TEST_CASE("a reset by the client reaches the server as a reset, and only on its stream") {
  aquifer::test::Run(ClientResets());
}
TEST_CASE("a drain loses no byte of the tunnels that are under way") {
  aquifer::test::Run(DrainsUnderLoad());
}
TEST_CASE("what a tunnel brought is delivered after its connection has ended in good order") {
  aquifer::test::Run(DeliversAfterTheEnd());
}
TEST_CASE("seventy tunnels whose far ends do not read leave their neighbours alone") {
  aquifer::test::Run(StalledNeighbours());
}
TEST_CASE("a destination that does not answer keeps nobody else waiting") {
  aquifer::test::Run(DeadDestination());
}
TEST_CASE("a dial has a deadline, and who waits for it learns of it together") {
  aquifer::test::Run(
      Deadline(Mesh::kNobody, &PoolOptions::connect_timeout, Reason::kConnectTimeout));
}
TEST_CASE("a handshake has a deadline") {
  aquifer::test::Run(
      Deadline(Mesh::kMute, &PoolOptions::handshake_timeout, Reason::kHandshakeTimeout));
}
TEST_CASE("the dials of a pod that is gone end with it") { aquifer::test::Run(ForgottenDial()); }
TEST_CASE("who stopped waiting for a dial does not make others dial again") {
  aquifer::test::Run(StoppedWaiters());
}
TEST_CASE("a pool that shuts down ends who waits") { aquifer::test::Run(ShutdownWhileWaiting()); }
TEST_CASE("a connection that nobody uses is closed, one that carries a silent tunnel is not") {
  aquifer::test::Run(IdleEnds());
}

}  // namespace aquifer::hbone
