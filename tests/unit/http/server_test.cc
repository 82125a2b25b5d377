#include "core/http/server.h"

#include <string>
#include <tuple>

#include "core/http/client.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/unit/http/loopback.h"

namespace aquifer::http {
namespace {

Task<Response> Describe(const Request& request, StopToken) {
  if (request.path() == "/missing") co_return Response::Text(404, "nothing here\n");
  co_return Response::Text(200, request.head.method + " " + std::string(request.path()) + " [" +
                                    std::string(request.query()) + "] " + request.body);
}

std::unique_ptr<io::Listener> Listen() {
  Result<std::unique_ptr<io::Listener>> listener =
      io::Listener::Listen(Address{Ip::Loopback4(), 0});
  REQUIRE(listener.ok());
  return *std::move(listener);
}

struct Running {
  explicit Running(const ServerOptions& options = {}) : server(Listen(), options, &Describe) {
    tasks.Spawn(server.Run(stop.token()));
  }
  Task<void> Finish() {
    stop.RequestStop();
    co_await tasks.Join();
  }

  StopSource stop;
  Server server;
  Scope tasks;
};

// Sends raw bytes and gives everything that comes back until the server closes.
Task<std::string> Raw(Address address, std::string input) {
  Result<io::SocketPtr> socket = co_await io::Connect(address, StopToken());
  REQUIRE(socket.ok());
  std::ignore = co_await (*socket)->Write(Chunk::CopyOf(input), StopToken());
  std::string all;
  while (true) {
    const Result<Chunk> got = co_await (*socket)->Read(StopToken());
    if (!got || got->empty()) co_return all;
    all += got->text();
  }
}

TEST_CASE("the client gets what the handler said") {
  const auto body = []() -> Task<void> {
    Running running;
    ClientRequest request;
    request.path = "/a?b=c";
    const Result<ClientResponse> got =
        co_await Fetch(running.server.local(), request, {}, StopToken());
    REQUIRE(got.ok());
    CHECK(got->status == 200);
    CHECK(got->body == "GET /a [b=c] ");
    CHECK(got->headers.Get("content-type") == "text/plain; charset=utf-8");
    request.method = "POST";
    request.body = "payload";
    const Result<ClientResponse> posted =
        co_await Fetch(running.server.local(), request, {}, StopToken());
    REQUIRE(posted.ok());
    CHECK(posted->body == "POST /a [b=c] payload");
    request = {.path = "/missing"};
    const Result<ClientResponse> missing =
        co_await Fetch(running.server.local(), request, {}, StopToken());
    REQUIRE(missing.ok());
    CHECK(missing->status == 404);
    co_await running.Finish();
  };
  test::Run(body());
}

TEST_CASE("requests on one connection are answered in order, HEAD without a body") {
  const auto body = []() -> Task<void> {
    Running running;
    const std::string got = co_await Raw(running.server.local(),
                                         "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n"
                                         "HEAD /2 HTTP/1.1\r\nhost: a\r\n\r\n"
                                         "GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    const std::string type = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n";
    CHECK(got == type + "content-length: 10\r\n\r\nGET /1 [] " + type +
                     "content-length: 11\r\n\r\n" + type +
                     "content-length: 10\r\nconnection: close\r\n\r\nGET /3 [] ");
    co_await running.Finish();
  };
  test::Run(body());
}

TEST_CASE("what is malformed, too long or too large is refused and the connection closed") {
  const auto body = []() -> Task<void> {
    Running running;
    const Address address = running.server.local();
    const auto starts = [](const std::string& got, const char* line) {
      return got.starts_with(line);
    };
    std::string got = co_await Raw(address, "nonsense\r\n\r\n");
    CHECK(starts(got, "HTTP/1.1 400 "));
    got = co_await Raw(address,
                       "GET / HTTP/1.1\r\nhost: a\r\nx: " + std::string(10000, 'y') + "\r\n\r\n");
    CHECK(starts(got, "HTTP/1.1 431 "));
    got = co_await Raw(address, "GET /" + std::string(5000, 'y') + " HTTP/1.1\r\nhost: a\r\n\r\n");
    CHECK(starts(got, "HTTP/1.1 414 "));
    got = co_await Raw(address, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n" +
                                    std::string(100000, 'y'));
    CHECK(starts(got, "HTTP/1.1 413 "));
    got = co_await Raw(address, "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n");
    CHECK(starts(got, "HTTP/1.1 405 "));
    got = co_await Raw(address, "GET / HTTP/2.0\r\nhost: a\r\n\r\n");
    CHECK(starts(got, "HTTP/1.1 505 "));
    co_await running.Finish();
  };
  test::Run(body());
}

TEST_CASE("a head that does not come in time ends the connection") {
  const auto body = []() -> Task<void> {
    ServerOptions options;
    options.head_timeout = std::chrono::milliseconds(20);
    Running running(options);
    std::string got = co_await Raw(running.server.local(), "");
    CHECK(got.empty());
    got = co_await Raw(running.server.local(), "GET / HT");
    CHECK(got.starts_with("HTTP/1.1 408 "));
    co_await running.Finish();
  };
  test::Run(body());
}

TEST_CASE("connections over the bound are closed and the others live") {
  const auto body = []() -> Task<void> {
    ServerOptions options;
    options.max_connections = 1;
    Running running(options);
    Result<io::SocketPtr> first = co_await io::Connect(running.server.local(), StopToken());
    REQUIRE(first.ok());
    const std::string second =
        co_await Raw(running.server.local(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    CHECK(second.empty());
    const Result<ClientResponse> got = co_await Exchange(**first, {}, {}, StopToken());
    CHECK(got.ok());
    co_await running.Finish();
  };
  test::Run(body());
}

TEST_CASE("who does not take an answer in time does not hold it") {
  const auto body = []() -> Task<void> {
    struct Large {
      static Task<Response> Answer(std::shared_ptr<const Chunk> content) {
        Response response;
        response.shared = std::move(content);
        co_return response;
      }
    };
    // More than the kernel takes for somebody who does not read.
    const auto content =
        std::make_shared<const Chunk>(Chunk::CopyOf(std::string(std::size_t{32} << 20, 'x')));
    ServerOptions options;
    options.write_timeout = std::chrono::milliseconds(20);
    int answers = 0;
    Server server(Listen(), options, [&content, &answers](const Request&, StopToken) {
      ++answers;
      return Large::Answer(content);
    });
    StopSource stop;
    Scope serving;
    serving.Spawn(server.Run(stop.token()));
    Result<io::SocketPtr> idle = co_await io::Connect(server.local(), StopToken());
    REQUIRE(idle.ok());
    std::ignore =
        co_await (*idle)->Write(Chunk::CopyOf("GET / HTTP/1.1\r\nhost: a\r\n\r\n"), StopToken());
    while (answers == 0 || content.use_count() > 1)
      std::ignore = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
    CHECK(answers == 1);
    stop.RequestStop();
    co_await serving.Join();
  };
  test::Run(body());
}

TEST_CASE("stopping the server ends idle connections") {
  const auto body = []() -> Task<void> {
    Running running;
    Result<io::SocketPtr> idle = co_await io::Connect(running.server.local(), StopToken());
    REQUIRE(idle.ok());
    co_await running.Finish();
    const Result<Chunk> end = co_await (*idle)->Read(StopToken());
    CHECK((!end.ok() || end->empty()));
  };
  test::Run(body());
}

TEST_CASE("the client bounds what it takes and how long it waits") {
  const auto body = []() -> Task<void> {
    Running running;
    ClientOptions options;
    options.max_body_bytes = 3;
    const Result<ClientResponse> large =
        co_await Fetch(running.server.local(), {}, options, StopToken());
    CHECK(large.error().reason == Reason::kOverload);
    co_await running.Finish();

    test::Sockets sockets = co_await test::MakeSockets();
    options.timeout = std::chrono::milliseconds(20);
    const Result<ClientResponse> silent =
        co_await Exchange(*sockets.client, {}, options, StopToken());
    CHECK(silent.error().reason == Reason::kTimeout);
  };
  test::Run(body());
}

TEST_CASE("the client tells a broken response from one cut short") {
  const auto body = []() -> Task<void> {
    for (const auto& [answer, reason] :
         {std::pair("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", Reason::kPeerClosed),
          std::pair("", Reason::kPeerClosed), std::pair("SSH-2.0\r\n", Reason::kHttpFailed)}) {
      test::Sockets sockets = co_await test::MakeSockets();
      std::ignore = co_await sockets.server->Write(Chunk::CopyOf(answer), StopToken());
      std::ignore = co_await sockets.server->ShutdownWrite(StopToken());
      const Result<ClientResponse> got = co_await Exchange(*sockets.client, {}, {}, StopToken());
      CHECK(got.error().reason == reason);
    }
  };
  test::Run(body());
}

}  // namespace
}  // namespace aquifer::http
