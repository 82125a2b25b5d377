#include "core/app/local_servers.h"

#include <tuple>

#include "core/app/stats_page.h"
#include "core/http/client.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/ask.h"
#include "tests/support/catch.h"
#include "tests/support/run_task.h"

namespace aquifer::app {
namespace {

Task<http::Response> Hello(const http::Request&, StopToken) {
  co_return http::Response::Text(200, "hello\n");
}

Address AnyPort() { return {Ip::Loopback4(), 0}; }

Task<void> ServeTwo(std::string& first, std::string& second) {
  StopSource stop;
  Scope tasks;
  LocalServers servers;
  REQUIRE(servers.Listen("a", AnyPort(), &Hello).ok());
  REQUIRE(
      servers
          .Listen("b", AnyPort(), ReadyHandler([] { return std::vector<std::string>{"x", "y"}; }))
          .ok());
  servers.Serve(tasks, stop.token());
  http::ClientRequest request;
  request.path = "/healthz/ready";
  const auto one = co_await http::Fetch(servers.local(0), request, {}, StopToken());
  const auto two = co_await http::Fetch(servers.local(1), request, {}, StopToken());
  if (one.ok()) first = one->body;
  if (two.ok()) second = two->body;
  stop.RequestStop();
  co_await tasks.Join();
}

Task<void> BindTwice(std::string& refusal) {
  LocalServers servers;
  REQUIRE(servers.Listen("admin port", AnyPort(), &Hello).ok());
  const Result<void, Refusal> again = servers.Listen("stats port", servers.local(0), &Hello);
  if (!again.ok()) refusal = again.error().ToString();
  CHECK(refusal.starts_with("stats port: " + servers.local(0).ToString() + " cannot be bound: "));
  co_return;
}

// One reader takes nothing of what it asked for when the other comes.
Task<void> ReadBesideASlowReader(std::size_t bytes, int& made, std::size_t& read) {
  StopSource stop;
  Scope tasks;
  LocalServers servers;
  obs::Registry registry;
  const auto more = [&made, bytes] {
    ++made;
    return std::string(bytes, '#') + "\n";
  };
  REQUIRE(servers.Listen("stats", AnyPort(), StatsHandler(registry, more)).ok());
  servers.Serve(tasks, stop.token());
  Result<io::SocketPtr> slow = co_await io::Connect(servers.local(0), StopToken());
  REQUIRE(slow.ok());
  std::ignore = co_await (*slow)->Write(Chunk::CopyOf("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"),
                                        StopToken());
  while (made == 0) std::ignore = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
  http::ClientRequest request;
  request.path = "/metrics";
  http::ClientOptions options;
  options.max_body_bytes = 2 * bytes;
  const auto got = co_await http::Fetch(servers.local(0), request, options, StopToken());
  if (got.ok()) read = got->body.size();
  stop.RequestStop();
  co_await tasks.Join();
}

Task<void> ReadAtTheSameTime() {
  obs::Registry registry;
  int made = 0;
  StatsPage page(registry, [&made] {
    ++made;
    return std::string("# more\n");
  });
  const auto first = page.Get(StatsPage::Encoding::kPlain);
  std::ignore = co_await SleepFor(std::chrono::milliseconds(999), StopToken());
  CHECK(page.Get(StatsPage::Encoding::kPlain) == first);
  CHECK(made == 1);
  std::ignore = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
  CHECK(page.Get(StatsPage::Encoding::kPlain) != first);
  CHECK(made == 2);
}

}  // namespace

TEST_CASE("each of a program's servers answers on its own port until the stop") {
  std::string first;
  std::string second;
  test::Run(ServeTwo(first, second));
  CHECK(first == "hello\n");
  CHECK(second == "not ready, pending: x, y\n");
}

TEST_CASE("a port that is taken ends the start with its name and address") {
  std::string refusal;
  test::Run(BindTwice(refusal));
  CHECK_FALSE(refusal.empty());
}

TEST_CASE("a reader of metrics who takes nothing holds nobody up") {
  constexpr std::size_t kMoreThanTheKernelTakes = std::size_t{32} << 20;
  int made = 0;
  std::size_t read = 0;
  test::Run(ReadBesideASlowReader(kMoreThanTheKernelTakes, made, read));
  CHECK(read > kMoreThanTheKernelTakes);
}

TEST_CASE("readers of metrics at the same time share what is made once") {
  test::RunVirtual(ReadAtTheSameTime());
}

TEST_CASE("readiness is 200 when nothing is pending, and asked anew each time") {
  std::vector<std::string> pending = {"control plane"};
  const http::Server::Handler ready = ReadyHandler([&pending] { return pending; });
  CHECK(test::Ask(ready, "GET", "/healthz/ready").status == 500);
  pending.clear();
  CHECK(test::Ask(ready, "GET", "/healthz/ready").body == "ready\n");
  CHECK(test::Ask(ready, "GET", "/healthz").status == 404);
}

TEST_CASE("metrics come in the form that the scraper accepts") {
  obs::Registry registry;
  registry.AddCounter({.name = "apples", .help = "Apples", .unit = {}}).With({})->Add();
  const http::Server::Handler stats = StatsHandler(registry);
  for (const char* path : {"/metrics", "/stats/prometheus"}) {
    const http::Response plain = test::Ask(stats, "GET", path);
    CHECK(plain.status == 200);
    CHECK(plain.content().find("apples") != std::string::npos);
    CHECK(plain.headers.Get("content-type") == "text/plain; charset=utf-8");
  }
  const http::Response open =
      test::Ask(stats, "GET", "/metrics", "application/openmetrics-text;version=1.0.0");
  CHECK(open.headers.Get("content-type") ==
        "application/openmetrics-text;charset=utf-8;version=1.0.0");
  CHECK(test::Ask(stats, "GET", "/").status == 404);
}

}  // namespace aquifer::app
