#include "waypoint/h1_downstream.h"

#include "tests/unit/waypoint/exchange_world.h"

namespace aquifer::waypoint {
namespace {

using std::chrono::milliseconds;
using test::EndAll;
using test::kGet;
using test::Say;
using test::World;

// A client that says `sent` and leaves after `stays`; the backend would answer after ten seconds.
struct Leaving {
  std::string sent = kGet;
  milliseconds stays{1000};
  bool reset = false;
  std::vector<RequestRecord> records;
  milliseconds took{};

  static Task<void> Run(Leaving& leaving) {
    World world;
    world.httpbin().answers = {"@10000 HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"};
    test::StreamPair pair = test::MakeStreams();
    Scope scope;
    scope.Spawn(ServeHttp(std::move(pair.b), Chunk(), world.parts, world.context, world.limits,
                          StopToken(), StopToken()));
    co_await Say(*pair.a, leaving.sent);
    (void)co_await SleepFor(leaving.stays, StopToken());
    if (leaving.reset) pair.a->Reset();
    if (!leaving.reset) (void)co_await pair.a->ShutdownWrite(StopToken());
    pair.a.reset();
    co_await scope.Join();
    leaving.records = world.records;
    leaving.took = leaving.records.empty() ? milliseconds(-1) : leaving.records[0].duration;
    co_await EndAll(world, scope);
  }
};

TEST_CASE("a client of HTTP/1 that leaves takes its request along") {
  for (const bool reset : {false, true}) {
    for (const char* const sent :
         {kGet, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"}) {
      Leaving leaving{.sent = sent, .reset = reset, .records = {}};
      aquifer::test::RunVirtual(Leaving::Run(leaving));
      REQUIRE(leaving.records.size() == 1);
      CHECK(leaving.records[0].status == 0);
      CHECK(leaving.records[0].flags == "DC");
      CHECK(leaving.took < milliseconds(1100));
    }
  }
}

TEST_CASE("a client that has sent its next request is not read for more of it") {
  Leaving leaving{.sent = std::string(kGet) + kGet, .records = {}};
  aquifer::test::RunVirtual(Leaving::Run(leaving));
  REQUIRE(!leaving.records.empty());
  CHECK(leaving.records[0].status == 200);
}

TEST_CASE("what a client sends while it waits is its next request") {
  struct Main {
    static Task<void> Run(std::string& received) {
      World world;
      const std::string late = "@1000 HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
      world.httpbin().answers = {late, late};
      world.limits.idle_timeout = std::chrono::seconds(5);
      test::StreamPair pair = test::MakeStreams();
      Scope scope;
      scope.Spawn(ServeHttp(std::move(pair.b), Chunk(), world.parts, world.context, world.limits,
                            StopToken(), StopToken()));
      co_await Say(*pair.a, kGet);
      (void)co_await SleepFor(milliseconds(500), StopToken());
      co_await Say(*pair.a, std::string(kGet).substr(0, 10));
      (void)co_await SleepFor(milliseconds(100), StopToken());
      co_await Say(*pair.a, std::string(kGet).substr(10));
      co_await test::ReadAll(*pair.a, received);
      co_await EndAll(world, scope);
    }
  };
  std::string received;
  aquifer::test::RunVirtual(Main::Run(received));
  const size_t first = received.find("\r\n\r\nhi");
  REQUIRE(first != std::string::npos);
  CHECK(received.find("\r\n\r\nhi", first + 1) != std::string::npos);
}

}  // namespace
}  // namespace aquifer::waypoint
