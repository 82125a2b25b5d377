#include "waypoint/policy_watch.h"

#include "tests/unit/waypoint/exchange_world.h"
#include "waypoint/tcp_proxy.h"

namespace aquifer::waypoint {
namespace {

using test::EndAll;
using test::Say;
using test::World;

test::AuthorizationPolicy DenyClient() {
  return test::Deny({test::RuleOf(R"(from { principals: "cluster.local/ns/client/sa/curl" } )")});
}

// A TCP connection that is open when policies change.
struct Changing {
  std::vector<test::AuthorizationPolicy> policies;
  std::string received;
  std::vector<RequestRecord> records;

  static Task<void> Run(Changing& changing) {
    World world;
    world.httpbin().answers = {"first"};
    test::StreamPair pair = test::MakeStreams();
    Scope scope;
    scope.Spawn(
        ServeTcp(std::move(pair.b), world.backends, world.parts, world.context, StopToken()));
    co_await Say(*pair.a, "hello\r\n\r\n");
    const Result<Chunk> got = co_await pair.a->Read(StopToken());
    REQUIRE(got);
    changing.received = got->text();
    world.Rule({}, changing.policies);
    StopSource enough;
    TimedStop patience(enough.token(), std::chrono::seconds(1), Reason::kTimeout);
    const Result<Chunk> end = co_await pair.a->Read(patience.token());
    if (!end) changing.received += end.error().reason == Reason::kTimeout ? "<open>" : "<reset>";
    pair.a.reset();
    co_await EndAll(world, scope);
    changing.records = world.records;
  }
};

TEST_CASE("an open connection ends when a policy no longer lets it through") {
  Changing changing{.policies = {DenyClient()}, .received = "", .records = {}};
  aquifer::test::RunVirtual(Changing::Run(changing));
  CHECK(changing.received == "first<reset>");
  REQUIRE(changing.records.size() == 2);
  CHECK(changing.records[0].moment == RequestRecord::Moment::kOpened);
  CHECK(changing.records[1].moment == RequestRecord::Moment::kEnded);
  CHECK(changing.records[1].details.find("rbac_access_denied_matched_policy") == 0);
}

TEST_CASE("an open connection stays when the new policies let it through") {
  Changing changing{.policies = {test::Deny({test::RuleOf(R"(from { namespaces: "other" })")})},
                    .received = "",
                    .records = {}};
  aquifer::test::RunVirtual(Changing::Run(changing));
  CHECK(changing.received == "first<open>");
}

// A client that has asked for a WebSocket.
struct Upgrading {
  Task<void> Ask(std::string answer) {
    world.httpbin().answers = {std::move(answer)};
    scope.Spawn(ServeHttp(std::move(pair.b), Chunk(), world.parts, world.context, world.limits,
                          StopToken(), StopToken()));
    co_await Say(*pair.a,
                 "GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: "
                 "upgrade\r\n\r\n");
  }

  World world;
  test::StreamPair pair = test::MakeStreams();
  Scope scope;
};

TEST_CASE("an upgraded connection is judged by the request that opened it") {
  struct Main {
    static Task<void> Run(std::string path, std::string& received) {
      Upgrading client;
      auto& [world, pair, scope] = client;
      co_await client.Ask(
          "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
      const Result<Chunk> got = co_await pair.a->Read(StopToken());
      REQUIRE(got);
      received = got->text().substr(0, 12);
      world.Rule({}, {test::Deny({test::RuleOf("to { paths: '" + path + "' }")})});
      TimedStop patience(StopToken(), std::chrono::seconds(1), Reason::kTimeout);
      const Result<Chunk> end = co_await pair.a->Read(patience.token());
      if (!end) received += end.error().reason == Reason::kTimeout ? "<open>" : "<reset>";
      pair.a.reset();
      co_await EndAll(world, scope);
    }
  };
  std::string received;
  aquifer::test::RunVirtual(Main::Run("/ws", received));
  CHECK(received == "HTTP/1.1 101<reset>");
  aquifer::test::RunVirtual(Main::Run("/other", received));
  CHECK(received == "HTTP/1.1 101<open>");
}

TEST_CASE("an upgrade is judged by the policies there are when the backend agrees to it") {
  struct Main {
    static Task<void> Run(std::string& received, std::string& details) {
      Upgrading client;
      auto& [world, pair, scope] = client;
      co_await client.Ask(
          "@500 HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: "
          "upgrade\r\n\r\nsecret");
      (void)co_await SleepFor(std::chrono::milliseconds(100), StopToken());
      world.Rule({}, {test::Deny({test::RuleOf("to { paths: '/ws' }")})});
      co_await Say(*pair.a, "early");
      (void)co_await pair.a->ShutdownWrite(StopToken());
      co_await test::ReadAll(*pair.a, received);
      co_await EndAll(world, scope);
      details = world.records.at(0).details;
    }
  };
  std::string received;
  std::string details;
  aquifer::test::RunVirtual(Main::Run(received, details));
  CHECK(received.starts_with("HTTP/1.1 403 Forbidden\r\n"));
  CHECK(received.find("secret") == std::string::npos);
  CHECK(details.starts_with("rbac_access_denied_matched_policy"));
}

}  // namespace
}  // namespace aquifer::waypoint
