// The server side of HBONE against a client that says its CONNECT slowly or not to the end: real
// TLS, HTTP/2 by hand.
#include "certs/tls_stream.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "hbone/server.h"
#include "tests/component/hbone/mesh.h"
#include "tests/component/hbone/wire.h"
#include "tests/support/run_task.h"
#include "tests/unit/http/h2_frames.h"

namespace aquifer::hbone {
namespace {

using aquifer::test::Frame;
using test::Credentials;
using test::SocketPair;

// What arrives, and what does not; accepts and waits for the end.
class Counting final : public ConnectHandler {
 public:
  Task<void> OnConnect(IncomingTunnel tunnel, StopToken stop) override {
    requests.push_back(tunnel.request);
    std::ignore = tunnel.Accept();
    while (true) {
      Result<Chunk> got = co_await tunnel.stream->Read(stop);
      if (!got) co_return;
      if (got->empty()) break;
      bytes += got->text();
    }
    ++ends;
    std::ignore = co_await tunnel.stream->ShutdownWrite(stop);
  }
  void OnHandshakeFailed(const Address&, const Address&, const Error& error,
                         const std::string&) override {
    failed.push_back(error.reason);
  }
  void OnBadRequest(const Address&, const certs::Identity&, const Refusal&) override { ++refused; }
  void OnConnectionBroken(const Address&, const certs::Identity&, const Error&) override {}

  std::vector<ConnectRequest> requests;
  std::vector<Reason> failed;
  std::string bytes;
  int ends = 0;
  int refused = 0;
};

// One CONNECT with a few bytes and an end, as a client's connection would start.
std::string Conversation() {
  const aquifer::test::Fields fields = {{":method", "CONNECT"},
                                        {":authority", "10.0.0.1:80"},
                                        {"baggage", "k8s.namespace.name=default"}};
  return aquifer::test::ClientHello() + aquifer::test::Headers(1, fields) +
         Frame(aquifer::test::kData, aquifer::test::kEndStream, 1, "payload");
}

std::size_t HeadersEnd() {
  return Conversation().size() - Frame(aquifer::test::kData, 0, 1, "payload").size();
}

// Serves one connection on which the client says `bytes`, `step` at a time, and then goes: with a
// reset, or as TLS ends.
Task<void> Say(const Credentials& credentials, Counting& handler, std::string bytes,
               std::size_t step, bool reset) {
  Result<SocketPair> pair = co_await test::MakeTcpPair(StopToken());
  REQUIRE(pair.ok());
  Scope server;
  const ServerOptions options;
  server.Spawn(ServeConnection(std::move(pair->far), credentials.server,
                               certs::InTrustDomain{"cluster.local"}, options, handler, StopToken(),
                               StopToken()));
  io::StreamPtr near = std::move(pair->near);
  certs::PeerExpectation expected = certs::OneOf{{credentials.server_id}};
  auto secure =
      co_await certs::ClientHandshake(std::move(near), credentials.client, std::move(expected),
                                      certs::SystemWallTime(), StopToken());
  REQUIRE(secure.ok());
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    Chunk part = Chunk::CopyOf(std::string_view(bytes).substr(at, step));
    const Status sent = co_await (*secure)->Write(std::move(part), StopToken());
    REQUIRE(sent.ok());
  }
  if (reset) {
    (*secure)->Reset();
  } else {
    std::ignore = co_await (*secure)->ShutdownWrite(StopToken());
    while (true) {
      const Result<Chunk> got = co_await (*secure)->Read(StopToken());
      if (!got || got->empty()) break;
    }
  }
  secure->reset();
  co_await server.Join();
}

Task<void> Drip(const Credentials& credentials, std::size_t step) {
  Counting handler;
  co_await Say(credentials, handler, Conversation(), step, false);
  REQUIRE(handler.requests.size() == 1);
  CHECK(handler.requests[0].authority == Authority(Address{Ip::V4(10, 0, 0, 1), 80}));
  CHECK(handler.requests[0].baggage.ns == "default");
  CHECK(handler.bytes == "payload");
  CHECK(handler.ends == 1);
}

Task<void> Cut(const Credentials& credentials, std::size_t at, bool reset) {
  Counting handler;
  co_await Say(credentials, handler, Conversation().substr(0, at), SIZE_MAX, reset);
  // After a reset the kernel may drop what it had not handed on yet.
  if (!reset || at < HeadersEnd()) CHECK(handler.requests.size() == (at >= HeadersEnd() ? 1U : 0U));
  CHECK(handler.ends == 0);
  CHECK(std::string_view("payload").starts_with(handler.bytes));
  CHECK(handler.refused == 0);
  CHECK(handler.failed.empty());
}

// A cable that is cut after `at` bytes of the client's handshake.
Task<void> CutHandshake(const Credentials& credentials, std::size_t at, bool& over) {
  Result<SocketPair> client = co_await test::MakeTcpPair(StopToken());
  Result<SocketPair> server = co_await test::MakeTcpPair(StopToken());
  REQUIRE((client.ok() && server.ok()));
  Counting handler;
  Scope scope;
  const ServerOptions options;
  const test::WirePlan plan{.fate = test::WirePlan::Fate::kReset, .fate_at = at};
  test::Wire wire(std::move(client->far), std::move(server->near), plan, StopToken());
  scope.Spawn(wire.Run());
  scope.Spawn(ServeConnection(std::move(server->far), credentials.server,
                              certs::InTrustDomain{"cluster.local"}, options, handler, StopToken(),
                              StopToken()));
  {
    io::StreamPtr near = std::move(client->near);
    certs::PeerExpectation expected = certs::OneOf{{credentials.server_id}};
    auto secure =
        co_await certs::ClientHandshake(std::move(near), credentials.client, std::move(expected),
                                        certs::SystemWallTime(), StopToken());
    // The client may believe that it is through before its last flight has been lost.
    if (secure.ok()) std::ignore = co_await (*secure)->ShutdownWrite(StopToken());
  }
  co_await scope.Join();
  over = handler.failed.empty();
  CHECK(handler.requests.empty());
}

}  // namespace

TEST_CASE("a CONNECT is the same in drips of any size") {
  const Credentials credentials;
  for (const std::size_t step : {1UL, 2UL, 9UL, 24UL, 25UL, 1000UL})
    aquifer::test::Run(Drip(credentials, step));
}

TEST_CASE("a CONNECT that is cut anywhere before its end opens nothing, and nothing ends well") {
  const Credentials credentials;
  for (std::size_t at = 0; at < Conversation().size(); ++at)
    aquifer::test::Run(Cut(credentials, at, at % 2 == 0));
}

TEST_CASE("a handshake that is cut anywhere ends at both sides and is told") {
  const Credentials credentials;
  bool over = false;
  std::size_t cuts = 0;
  for (std::size_t at = 0; !over; at += 29, ++cuts)
    aquifer::test::Run(CutHandshake(credentials, at, over));
  CHECK(cuts > 30);
}

}  // namespace aquifer::hbone
