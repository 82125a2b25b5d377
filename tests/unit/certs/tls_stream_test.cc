#include "certs/tls_stream.h"

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/run_task.h"
#include "tests/unit/certs/pipe.h"
#include "tests/unit/certs/support.h"

namespace aquifer::certs {
namespace {

using namespace std::chrono_literals;
using aquifer::test::RunVirtual;
using test::kClientId;
using test::kNow;
using test::kServerId;
using test::MakePipe;
using test::PipeOptions;

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 31 % 26);
  return text;
}

struct Ends {
  TlsStreamPtr client;
  TlsStreamPtr server;
  Failure client_failure;
  Failure server_failure;
};

Task<void> Connect(io::StreamPtr carrier, PeerExpectation expectation, Ends& ends, StopToken stop) {
  auto stream = co_await ClientHandshake(std::move(carrier), test::ClientContext(),
                                         std::move(expectation), kNow, stop);
  if (stream) {
    ends.client = *std::move(stream);
  } else {
    ends.client_failure = stream.error();
  }
}

Task<void> Accept(io::StreamPtr carrier, Ends& ends, StopToken stop) {
  PeerExpectation expectation = InTrustDomain{"cluster.local"};
  auto stream = co_await ServerHandshake(std::move(carrier), test::ServerContext(),
                                         std::move(expectation), kNow, stop);
  if (stream) {
    ends.server = *std::move(stream);
  } else {
    ends.server_failure = stream.error();
  }
}

Task<void> Join(Ends& ends, PipeOptions options, PeerExpectation expectation) {
  auto [client, server] = MakePipe(options);
  Scope scope;
  scope.Spawn(Connect(std::move(client), std::move(expectation), ends, StopToken()));
  scope.Spawn(Accept(std::move(server), ends, StopToken()));
  co_await scope.Join();
}

Task<void> JoinGood(Ends& ends, PipeOptions options = {}) {
  PeerExpectation expectation = OneOf{{kServerId}};
  co_await Join(ends, options, std::move(expectation));
  REQUIRE(ends.client != nullptr);
  REQUIRE(ends.server != nullptr);
}

Task<void> SendAll(io::Stream& stream, std::string_view text, size_t chunk_bytes) {
  while (!text.empty()) {
    Chunk chunk = Chunk::CopyOf(text.substr(0, chunk_bytes));
    text.remove_prefix(chunk.size());
    const Status sent = co_await stream.Write(std::move(chunk), StopToken());
    CHECK(sent.ok());
  }
  const Status shut = co_await stream.ShutdownWrite(StopToken());
  CHECK(shut.ok());
}

Task<void> ReceiveAll(io::Stream& stream, std::string& got) {
  while (true) {
    const Result<Chunk> chunk = co_await stream.Read(StopToken());
    CHECK(chunk.ok());
    if (!chunk.ok() || chunk->empty()) co_return;
    got += chunk->text();
  }
}

Task<void> EchoesBothWays(PipeOptions options, size_t size, size_t chunk_bytes) {
  Ends ends;
  co_await JoinGood(ends, options);
  const std::string there = Pattern(size);
  const std::string back = Pattern(size + 7);
  std::string got_there;
  std::string got_back;
  Scope scope;
  scope.Spawn(SendAll(*ends.client, there, chunk_bytes));
  scope.Spawn(SendAll(*ends.server, back, chunk_bytes));
  scope.Spawn(ReceiveAll(*ends.server, got_there));
  scope.Spawn(ReceiveAll(*ends.client, got_back));
  co_await scope.Join();
  CHECK(got_there == there);
  CHECK(got_back == back);
}

Task<void> KnowEachOther() {
  Ends ends;
  co_await JoinGood(ends);
  CHECK(ends.client->peer() == kServerId);
  CHECK(ends.server->peer() == kClientId);
  CHECK(ends.client->protocol() == "h2");
}

TEST_CASE("both ends of a stream know each other") { RunVirtual(KnowEachOther()); }

TEST_CASE("bytes go both ways at once") { RunVirtual(EchoesBothWays({}, 500000, 70000)); }

TEST_CASE("bytes go both ways when the carrier gives one byte at a time") {
  RunVirtual(EchoesBothWays({.piece_bytes = 1}, 20000, 5000));
}

TEST_CASE("bytes go both ways when the carrier takes little at a time") {
  RunVirtual(EchoesBothWays({.capacity_bytes = 100}, 300000, 30000));
}

Task<void> GathersChunks() {
  Ends ends;
  co_await JoinGood(ends);
  std::string sent;
  std::vector<Chunk> chunks;
  const int count = 40;
  for (int i = 0; i < count; ++i) {
    const std::string text = Pattern(i % 3 == 0 ? 9 : i % 3 == 1 ? 16384 + 9 : 1500);
    sent += text;
    chunks.push_back(Chunk::CopyOf(text));
  }
  const Status written = co_await ends.client->WriteMany(std::move(chunks), StopToken());
  CHECK(written.ok());
  const Status shut = co_await ends.client->ShutdownWrite(StopToken());
  CHECK(shut.ok());
  std::string got;
  co_await ReceiveAll(*ends.server, got);
  CHECK(got == sent);
}

TEST_CASE("many chunks of many sizes arrive in order") { RunVirtual(GathersChunks()); }

Task<void> RefusesStranger() {
  Ends ends;
  PeerExpectation expectation = OneOf{{kClientId}};
  co_await Join(ends, {}, std::move(expectation));
  CHECK(ends.client == nullptr);
  CHECK(ends.client_failure.error.reason == Reason::kIdentityMismatch);
  CHECK(ends.server == nullptr);
  CHECK(ends.server_failure.error.reason == Reason::kTlsFailed);
  CHECK(ends.server_failure.detail == "the peer sent alert \"access denied\"");
}

TEST_CASE("a failed handshake tells the peer why") { RunVirtual(RefusesStranger()); }

Task<void> StopsWaiting() {
  auto [client, server] = MakePipe();
  Ends ends;
  TimedStop timed(StopToken(), 5s, Reason::kHandshakeTimeout);
  co_await Accept(std::move(server), ends, timed.token());
  CHECK(ends.server_failure.error.reason == Reason::kHandshakeTimeout);
}

TEST_CASE("a peer that says nothing is given up at the deadline") { RunVirtual(StopsWaiting()); }

Task<void> PeerLeaves() {
  auto [client, server] = MakePipe();
  client.reset();
  Ends ends;
  co_await Accept(std::move(server), ends, StopToken());
  CHECK(ends.server_failure.error.reason == Reason::kPeerClosed);
}

TEST_CASE("a peer that leaves before the handshake is a failure") { RunVirtual(PeerLeaves()); }

Task<void> EndsWithoutNotify() {
  Ends ends;
  co_await JoinGood(ends);
  const Status shut = co_await ends.client->carrier().ShutdownWrite(StopToken());
  CHECK(shut.ok());
  const Result<Chunk> got = co_await ends.server->Read(StopToken());
  REQUIRE(got.ok());
  CHECK(got->empty());
}

TEST_CASE("FIN without close_notify between records is an end") { RunVirtual(EndsWithoutNotify()); }

Task<void> ResetReachesPeer() {
  Ends ends;
  co_await JoinGood(ends);
  ends.client->Reset();
  ends.client.reset();
  const Result<Chunk> got = co_await ends.server->Read(StopToken());
  CHECK(got.error().reason == Reason::kPeerReset);
}

TEST_CASE("a reset goes down to the carrier") { RunVirtual(ResetReachesPeer()); }

Task<void> Garbage() {
  Ends ends;
  co_await JoinGood(ends);
  Chunk garbage = Chunk::CopyOf("this is not a record at all, whatever else it may be");
  const Status sent = co_await ends.client->carrier().Write(std::move(garbage), StopToken());
  CHECK(sent.ok());
  const Result<Chunk> got = co_await ends.server->Read(StopToken());
  CHECK(got.error().reason == Reason::kTlsFailed);
  CHECK(!ends.server->failure_detail().empty());
  Chunk more = Chunk::CopyOf("x");
  const Status refused = co_await ends.server->Write(std::move(more), StopToken());
  CHECK(refused.error().reason == Reason::kTlsFailed);
  const Result<Chunk> told = co_await ends.client->Read(StopToken());
  CHECK(told.error().reason == Reason::kTlsFailed);  // the alert
}

TEST_CASE("a broken record fails the stream and tells the peer") { RunVirtual(Garbage()); }

Task<void> CloseThenRead() {
  Ends ends;
  co_await JoinGood(ends);
  const Status shut = co_await ends.client->ShutdownWrite(StopToken());
  CHECK(shut.ok());
  Chunk late = Chunk::CopyOf("x");
  const Status refused = co_await ends.client->Write(std::move(late), StopToken());
  CHECK(!refused.ok());
  std::string got;
  co_await ReceiveAll(*ends.server, got);
  CHECK(got.empty());
  std::string back;
  co_await SendAll(*ends.server, "answer", 100);
  co_await ReceiveAll(*ends.client, back);
  CHECK(back == "answer");
}

TEST_CASE("a stream may be half closed for as long as it likes") { RunVirtual(CloseThenRead()); }

}  // namespace
}  // namespace aquifer::certs
