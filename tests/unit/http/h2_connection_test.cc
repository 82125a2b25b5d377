#include "core/http/h2_connection.h"

#include <string>
#include <tuple>

#include "core/io/socket.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/run_task.h"

namespace aquifer::http {
namespace {

struct Sockets {
  io::SocketPtr client;
  io::SocketPtr server;
};

Task<Sockets> MakeSockets() {
  Result<std::unique_ptr<io::Listener>> listener =
      io::Listener::Listen(Address{Ip::Loopback4(), 0});
  REQUIRE(listener.ok());
  Result<io::SocketPtr> client = co_await io::Connect((*listener)->local(), StopToken());
  REQUIRE(client.ok());
  Result<io::SocketPtr> server = co_await (*listener)->Accept(StopToken());
  REQUIRE(server.ok());
  co_return Sockets{*std::move(client), *std::move(server)};
}

RequestHead ConnectTo(std::string authority) {
  RequestHead head;
  head.method = "CONNECT";
  head.authority = std::move(authority);
  return head;
}

Task<void> RunConnection(H2Connection& connection, StopToken stop, Status& end) {
  end = co_await connection.Run(stop);
}

Task<void> Echo(H2StreamPtr stream) {
  const Status answered = stream->Respond(ResponseHead{200, {}}, EndStream::kNo);
  CHECK(answered.ok());
  while (true) {
    Result<Chunk> got = co_await stream->Read(StopToken());
    if (!got || got->empty()) break;
    const Status written = co_await stream->Write(*std::move(got), StopToken());
    if (!written) break;
  }
  std::ignore = co_await stream->ShutdownWrite(StopToken());
}

Task<void> SendAll(H2Stream& stream, std::string text) {
  const Status written = co_await stream.Write(Chunk::CopyOf(text), StopToken());
  CHECK(written.ok());
  std::ignore = co_await stream.ShutdownWrite(StopToken());
}

Task<std::string> ReadAll(H2Stream& stream) {
  std::string all;
  while (true) {
    const Result<Chunk> got = co_await stream.Read(StopToken());
    REQUIRE(got.ok());
    if (got->empty()) co_return all;
    all += got->text();
  }
}

// A client and an echoing server over loopback, for the body of one test.
struct Pair {
  explicit Pair(Sockets sockets)
      : server(H2Role::kServer, std::move(sockets.server), {},
               [this](H2StreamPtr s) { streams.Spawn(Echo(std::move(s))); }),
        client(H2Role::kClient, std::move(sockets.client), {}) {}

  void Start() {
    connections.Spawn(RunConnection(server, stop.token(), server_end));
    connections.Spawn(RunConnection(client, stop.token(), client_end));
  }
  Task<void> Finish() {
    stop.RequestStop();
    co_await connections.Join();
    co_await streams.Join();
  }

  StopSource stop;
  Scope connections;
  Scope streams;
  Status server_end;
  Status client_end;
  H2Connection server;
  H2Connection client;
};

Task<H2StreamPtr> OpenEcho(Pair& pair) {
  const RequestHead head = ConnectTo("10.0.0.1:80");
  Result<H2StreamPtr> stream = pair.client.Open(head, EndStream::kNo);
  REQUIRE(stream.ok());
  const Result<ResponseHead> answer = co_await (*stream)->ReadHead(StopToken());
  REQUIRE(answer.ok());
  CHECK(answer->status == 200);
  co_return *std::move(stream);
}

}  // namespace

TEST_CASE("a tunnel carries bulk in both directions and half-closes") {
  const auto body = []() -> Task<void> {
    Pair pair(co_await MakeSockets());
    pair.Start();
    for (const size_t size : {size_t{0}, size_t{1}, size_t{70'000}, size_t{9'000'000}}) {
      H2StreamPtr stream = co_await OpenEcho(pair);
      const std::string sent(size, 'b');
      Scope sending;
      sending.Spawn(SendAll(*stream, sent));
      const std::string got = co_await ReadAll(*stream);
      CHECK(got == sent);
      co_await sending.Join();
    }
    co_await pair.Finish();
  };
  test::Run(body());
}

TEST_CASE("a stream that nobody reads does not stop its neighbours") {
  const auto body = []() -> Task<void> {
    Pair pair(co_await MakeSockets());
    pair.Start();
    std::vector<H2StreamPtr> stalled;
    Scope sending;
    for (int i = 0; i < 20; ++i) {
      H2StreamPtr stream = co_await OpenEcho(pair);
      sending.Spawn(SendAll(*stream, std::string(1'500'000, 's')));
      stalled.push_back(std::move(stream));
    }
    H2StreamPtr live = co_await OpenEcho(pair);
    Scope one;
    one.Spawn(SendAll(*live, "hello"));
    const std::string got = co_await ReadAll(*live);
    CHECK(got == "hello");
    co_await one.Join();
    for (H2StreamPtr& stream : stalled) {
      const std::string all = co_await ReadAll(*stream);
      CHECK(all.size() == 1'500'000);
    }
    co_await sending.Join();
    co_await pair.Finish();
  };
  test::Run(body());
}

TEST_CASE("dropping a stream resets it for the peer and the connection goes on") {
  const auto body = []() -> Task<void> {
    Pair pair(co_await MakeSockets());
    pair.Start();
    for (int i = 0; i < 300; ++i) {
      H2StreamPtr stream = co_await OpenEcho(pair);
      std::ignore = co_await stream->Write(Chunk::CopyOf("x"), StopToken());
    }
    H2StreamPtr stream = co_await OpenEcho(pair);
    CHECK(pair.client.open_streams() == 1);
    stream.reset();
    co_await pair.Finish();
    CHECK(pair.streams.live() == 0);
  };
  test::Run(body());
}

TEST_CASE("a draining server lets streams end, takes no new ones and then closes") {
  const auto body = []() -> Task<void> {
    Pair pair(co_await MakeSockets());
    pair.Start();
    H2StreamPtr stream = co_await OpenEcho(pair);
    pair.server.Drain();
    while (pair.client.available_streams() > 0)
      std::ignore = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
    const RequestHead head = ConnectTo("10.0.0.1:80");
    const Result<H2StreamPtr> refused = pair.client.Open(head, EndStream::kNo);
    CHECK(refused.error().reason == Reason::kGoAway);
    Scope sending;
    sending.Spawn(SendAll(*stream, "still here"));
    const std::string got = co_await ReadAll(*stream);
    CHECK(got == "still here");
    co_await sending.Join();
    stream.reset();
    co_await pair.connections.Join();
    CHECK(pair.server_end.ok());
    CHECK(pair.client_end.ok());
    co_await pair.streams.Join();
  };
  test::Run(body());
}

TEST_CASE("the end of the connection fails its streams with a reason") {
  const auto body = []() -> Task<void> {
    Pair pair(co_await MakeSockets());
    pair.Start();
    H2StreamPtr stream = co_await OpenEcho(pair);
    pair.stop.RequestStop(Reason::kDrained);
    co_await pair.connections.Join();
    const Result<Chunk> got = co_await stream->Read(StopToken());
    CHECK(got.error().reason == Reason::kDrained);
    CHECK(stream->gone().requested());
    co_await pair.streams.Join();
  };
  test::Run(body());
}

TEST_CASE("a peer that does not speak HTTP/2 ends the connection") {
  const auto body = []() -> Task<void> {
    Sockets sockets = co_await MakeSockets();
    H2Connection server(H2Role::kServer, std::move(sockets.server), {}, [](H2StreamPtr) {});
    std::ignore =
        co_await sockets.client->Write(Chunk::CopyOf("GET / HTTP/1.1\r\n\r\n"), StopToken());
    const Status end = co_await server.Run(StopToken());
    CHECK(end.error().reason == Reason::kHttpFailed);
  };
  test::Run(body());
}

}  // namespace aquifer::http
