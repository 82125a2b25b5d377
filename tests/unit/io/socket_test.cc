#include "core/io/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <random>
#include <string>
#include <tuple>

#include "core/io/copy.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/run_task.h"

namespace aquifer::io {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Pair {
  SocketPtr client;
  SocketPtr server;
};

Task<Pair> MakePair() {
  Result<std::unique_ptr<Listener>> listener = Listener::Listen(Address{Ip::Loopback4(), 0});
  REQUIRE(listener.ok());
  Result<SocketPtr> client = co_await Connect((*listener)->local(), StopToken());
  REQUIRE(client.ok());
  Result<SocketPtr> server = co_await (*listener)->Accept(StopToken());
  REQUIRE(server.ok());
  co_return Pair{*std::move(client), *std::move(server)};
}

Task<std::string> ReadAll(Stream& stream) {
  std::string all;
  while (true) {
    const Result<Chunk> chunk = co_await stream.Read(StopToken());
    REQUIRE(chunk.ok());
    if (chunk->empty()) co_return all;
    all += chunk->text();
  }
}

Task<void> SendAndShut(Stream& stream, std::string text) {
  const Status written = co_await stream.Write(Chunk::CopyOf(text), StopToken());
  CHECK(written.ok());
  const Status shut = co_await stream.ShutdownWrite(StopToken());
  CHECK(shut.ok());
}

std::string Noise(size_t size) {
  std::mt19937 random(7);
  std::string text(size, 0);
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

int KeepaliveSeconds(const Socket& socket) {
  int seconds = 0;
  socklen_t size = sizeof seconds;
  REQUIRE(::getsockopt(socket.fd(), IPPROTO_TCP, TCP_KEEPIDLE, &seconds, &size) == 0);
  return seconds;
}

Task<void> RelayOnce(Stream& a, Stream& b, CopyTotals& totals, Status& result, StopToken stop) {
  result = co_await CopyBothWays(a, b, totals, stop);
}

}  // namespace

TEST_CASE("bytes arrive as they were sent, small and in bulk") {
  const auto body = []() -> Task<void> {
    for (const size_t size :
         {size_t{1}, Block::kReadBytes, Block::kReadBytes + 1, size_t{5'000'000}}) {
      Pair pair = co_await MakePair();
      const std::string sent = Noise(size);
      Scope scope;
      scope.Spawn(SendAndShut(*pair.client, sent));
      const std::string got = co_await ReadAll(*pair.server);
      CHECK(got == sent);
      co_await scope.Join();
    }
  };
  test::Run(body());
}

TEST_CASE("gathered chunks arrive in order") {
  const auto body = []() -> Task<void> {
    Pair pair = co_await MakePair();
    std::vector<Chunk> chunks;
    std::string sent;
    for (int i = 0; i < 200; ++i) {
      const std::string part(static_cast<size_t>(i + 1), static_cast<char>('a' + i % 26));
      chunks.push_back(Chunk::CopyOf(part));
      sent += part;
    }
    const Status written = co_await pair.client->WriteMany(std::move(chunks), StopToken());
    CHECK(written.ok());
    std::ignore = co_await pair.client->ShutdownWrite(StopToken());
    const std::string got = co_await ReadAll(*pair.server);
    CHECK(got == sent);
  };
  test::Run(body());
}

TEST_CASE("a FIN from the client leaves the other direction open") {
  const auto body = []() -> Task<void> {
    Pair left = co_await MakePair();
    Pair right = co_await MakePair();
    CopyTotals totals;
    Status result = Error{Reason::kStopped};
    Scope scope;
    scope.Spawn(RelayOnce(*left.server, *right.client, totals, result, StopToken()));
    co_await SendAndShut(*left.client, "ping");
    const std::string heard = co_await ReadAll(*right.server);
    CHECK(heard == "ping");
    co_await SendAndShut(*right.server, "a late answer");
    const std::string answer = co_await ReadAll(*left.client);
    CHECK(answer == "a late answer");
    co_await scope.Join();
    CHECK(result.ok());
    CHECK(totals.a_to_b_bytes == 4);
    CHECK(totals.b_to_a_bytes == 13);
  };
  test::Run(body());
}

TEST_CASE("a reset of one side is a reset for the other") {
  const auto body = []() -> Task<void> {
    Pair left = co_await MakePair();
    Pair right = co_await MakePair();
    CopyTotals totals;
    Status result;
    Scope scope;
    scope.Spawn(RelayOnce(*left.server, *right.client, totals, result, StopToken()));
    left.client->Reset();
    left.client.reset();
    co_await scope.Join();
    right.client.reset();
    CHECK(result.error().reason == Reason::kPeerReset);
    const Result<Chunk> end = co_await right.server->Read(StopToken());
    CHECK_FALSE(end.ok());
    CHECK(end.error().reason == Reason::kPeerReset);
  };
  test::Run(body());
}

TEST_CASE("a reset that a write was told of is no FIN to the reader") {
  const auto body = []() -> Task<void> {
    Pair pair = co_await MakePair();
    pair.client->Reset();
    pair.client.reset();
    const Status written = co_await pair.server->Write(Chunk::CopyOf("late"), StopToken());
    CHECK(written.error().reason == Reason::kPeerReset);
    const Result<Chunk> end = co_await pair.server->Read(StopToken());
    REQUIRE_FALSE(end.ok());
    CHECK(end.error().reason == Reason::kPeerReset);
  };
  test::Run(body());
}

TEST_CASE("a half-closed connection is probed before connection tracking forgets it") {
  const auto body = []() -> Task<void> {
    Pair pair = co_await MakePair();
    SetTunnelOptions(pair.client->fd());
    SetTunnelOptions(pair.server->fd());
    CHECK(KeepaliveSeconds(*pair.client) == 180);
    std::ignore = co_await pair.client->ShutdownWrite(StopToken());
    CHECK(KeepaliveSeconds(*pair.client) == 30);
    std::ignore = co_await pair.server->Read(StopToken());
    CHECK(KeepaliveSeconds(*pair.server) == 30);
  };
  test::Run(body());
}

TEST_CASE("a reset after the FIN reaches the other end, though nobody reads or writes") {
  const auto body = []() -> Task<void> {
    Pair left = co_await MakePair();
    Pair right = co_await MakePair();
    CopyTotals totals;
    Status result;
    Scope copies;
    copies.Spawn(RelayOnce(*left.server, *right.client, totals, result, StopToken()));
    std::ignore = co_await left.client->ShutdownWrite(StopToken());
    const Result<Chunk> end = co_await right.server->Read(StopToken());
    REQUIRE(end.ok());
    CHECK(end->empty());
    left.client->Reset();
    left.client.reset();
    co_await copies.Join();
    CHECK(result.error().reason == Reason::kPeerReset);
  };
  test::Run(body());
}

Task<Status> WatchFor(Socket& socket, milliseconds time) {
  TimedStop timed(StopToken(), time, Reason::kTimeout);
  co_return co_await socket.WaitBroken(timed.token());
}

Task<void> WatchWithoutReading(bool fin_first) {
  Pair pair = co_await MakePair();
  const Status said = co_await pair.client->Write(Chunk::CopyOf("hello"), StopToken());
  CHECK(said.ok());
  if (fin_first) {
    const Status shut = co_await pair.client->ShutdownWrite(StopToken());
    CHECK(shut.ok());
  }
  // Longer than the first look at the socket.
  const Status waited = co_await WatchFor(*pair.server, milliseconds(150));
  CHECK(waited.error().reason == Reason::kTimeout);
  pair.client->Reset();
  pair.client.reset();
  const Status broken = co_await WatchFor(*pair.server, seconds(10));
  CHECK(broken.error().reason == Reason::kPeerReset);
}

TEST_CASE("who only watches hears of a reset, and of nothing else") {
  const bool fin_first = GENERATE(false, true);
  test::Run(WatchWithoutReading(fin_first));
}

TEST_CASE("a stop ends a copy in both directions with its reason") {
  const auto body = []() -> Task<void> {
    Pair left = co_await MakePair();
    Pair right = co_await MakePair();
    CopyTotals totals;
    Status result;
    TimedStop timed(StopToken(), milliseconds(5), Reason::kPolicyChanged);
    co_await RelayOnce(*left.server, *right.client, totals, result, timed.token());
    CHECK(result.error().reason == Reason::kPolicyChanged);
  };
  test::Run(body());
}

TEST_CASE("a refused connection says so") {
  const auto body = []() -> Task<void> {
    Address free_port;
    {
      Result<std::unique_ptr<Listener>> listener = Listener::Listen(Address{Ip::Loopback4(), 0});
      REQUIRE(listener.ok());
      free_port = (*listener)->local();
    }
    const Result<SocketPtr> socket = co_await Connect(free_port, StopToken());
    REQUIRE_FALSE(socket.ok());
    CHECK(socket.error().reason == Reason::kConnectRefused);
  };
  test::Run(body());
}

TEST_CASE("more connections than pooled blocks read at once") {
  const auto body = []() -> Task<void> {
    std::vector<Pair> pairs;
    for (int i = 0; i < 150; ++i) {
      Pair pair = co_await MakePair();
      pairs.push_back(std::move(pair));
    }
    for (int round = 0; round < 3; ++round) {
      for (Pair& pair : pairs)
        std::ignore = co_await pair.client->Write(Chunk::CopyOf("x"), StopToken());
      for (Pair& pair : pairs) {
        const Result<Chunk> got = co_await pair.server->Read(StopToken());
        REQUIRE(got.ok());
        CHECK(got->text() == "x");
      }
    }
  };
  test::Run(body());
}

}  // namespace aquifer::io
