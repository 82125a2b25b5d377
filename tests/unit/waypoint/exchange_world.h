// A waypoint in memory for tests of exchanges: a client that says what the test says, backends that
// answer from a script, and everything of ours in between.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/run_task.h"
#include "tests/unit/waypoint/memory_stream.h"
#include "tests/unit/waypoint/route_text.h"
#include "waypoint/connection.h"
#include "waypoint/upstream_pool.h"

namespace aquifer::waypoint::test {

inline constexpr const char* kOk =
    "HTTP/1.1 200 OK\r\nserver: gunicorn\r\ncontent-length: 2\r\n\r\nhi";
inline constexpr const char* kGet = "GET /get HTTP/1.1\r\nhost: httpbin\r\n\r\n";

// A route of the service httpbin.
inline RoutePtr RouteTo(const std::string& rest) {
  return RouteOf(R"(parents { service { namespace: "app" hostname: "httpbin" } } )" + rest);
}
inline std::string ToHttpbin() {
  return R"(backends { weight: 1 service { namespace: "app" hostname: "httpbin" port: 8000 } } )";
}

// What one backend does: for each request in turn the bytes it answers with. "@500 ..." waits 500
// ms of virtual time first, "!" closes without an answer, "~" resets, "->" closes after the rest.
struct Script {
  std::vector<std::string> answers;
  size_t next = 0;
  int connections = 0;
  int refuse = 0;  // so many dials fail before one works
  std::string received;
  bool http2 = false;
};

class ScriptedBackends final : public Backends {
 public:
  explicit ScriptedBackends(size_t drip) : drip_(drip) {}

  Result<ChosenBackend> Choose(const UpstreamRequest& request) override {
    const std::string host =
        request.destination.service ? request.destination.service->hostname : "pod";
    last = request;
    if (!scripts.contains(host)) return Error{Reason::kUnknownDestination};
    if (none_healthy) return Error{Reason::kNoHealthyUpstream};
    ChosenBackend chosen;
    chosen.endpoint.key = host;
    chosen.key = host;
    chosen.http2 = scripts[host].http2;
    return chosen;
  }

  Task<Result<io::StreamPtr>> Dial(ChosenBackend backend, StopToken stop) override {
    Script& script = scripts[backend.key];
    ++script.connections;
    if (script.refuse > 0) {
      --script.refuse;
      co_return Error{Reason::kConnectRefused};
    }
    if (silent) {
      Event never;
      const Status waited = co_await never.Wait(stop);
      co_return waited.error();
    }
    StreamPair pair = MakeStreams(drip_);
    servers.Spawn(Serve(std::move(pair.b), script));
    co_return std::move(pair.a);
  }

  std::map<std::string, Script> scripts;
  UpstreamRequest last;
  bool none_healthy = false;
  bool silent = false;  // dials never end
  Scope servers;

 private:
  static bool HasWholeRequest(const std::string& text) {
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const size_t length = text.find("content-length: ");
    if (length != std::string::npos && length < end) {
      return text.size() >= end + 4 + std::stoul(text.substr(length + 16));
    }
    const bool chunked = text.find("transfer-encoding: chunked") < end;
    return !chunked || text.find("0\r\n", end) != std::string::npos;
  }

  static Task<void> Serve(io::StreamPtr stream, Script& script) {
    std::string request;
    while (true) {
      Result<Chunk> got = co_await stream->Read(StopToken());
      if (!got || got->empty()) co_return;
      request += got->text();
      script.received += got->text();
      if (!HasWholeRequest(request)) continue;
      request.clear();
      if (script.next >= script.answers.size()) co_return;
      std::string answer = script.answers[script.next++];
      if (answer.starts_with("@")) {
        const size_t blank = answer.find(' ');
        const auto wait = std::chrono::milliseconds(std::stoi(answer.substr(1, blank)));
        (void)co_await SleepFor(wait, StopToken());
        answer = answer.substr(blank + 1);
      }
      if (answer == "!") co_return;
      if (answer == "~") {
        stream->Reset();
        co_return;
      }
      const bool close = answer.starts_with("->");
      if (close) answer = answer.substr(2);
      Chunk chunk = Chunk::CopyOf(answer);
      const Status sent = co_await stream->Write(std::move(chunk), StopToken());
      if (!sent || close) co_return;
    }
  }

  size_t drip_;
};

inline const ServiceRef kHttpbin{"app", "httpbin", 8000};

// Everything lives on the loop of the test.
struct World {
  explicit World(size_t drip = 0) : drip(drip), backends(drip), pool(backends) {
    context.peer = *certs::Identity::Parse("spiffe://cluster.local/ns/client/sa/curl");
    context.peer_address = Address{Ip::V4(10, 0, 0, 9), 40000};
    context.local_address = Address{Ip::V4(10, 96, 0, 5), 8000};
    context.destination = Destination{.service = kHttpbin, .address = context.local_address};
    backends.scripts["httpbin"];
    Rule({}, {});
  }

  void Rule(const std::vector<RoutePtr>& routes, const std::vector<AuthorizationPolicy>& policies) {
    auto made = std::make_shared<Rules>();
    made->gateway = gateway;
    made->routes = RouteIndex(gateway, routes);
    std::vector<PolicyPtr> decoded;
    for (const AuthorizationPolicy& policy : policies) {
      decoded.push_back(std::make_shared<const Policy>(DecodePolicy(policy)));
    }
    made->policies = PolicyIndex(gateway, std::move(decoded));
    rules.Replace(std::move(made));
  }
  Script& httpbin() { return backends.scripts["httpbin"]; }

  size_t drip;
  Gateway gateway = TestGateway();
  RulesSlot rules;
  ScriptedBackends backends;
  UpstreamPool pool;
  HttpDate date;
  ConnectionContext context;
  ConnectionLimits limits;
  std::vector<RequestRecord> records;
  ExchangeParts parts{
      .rules = rules,
      .upstream = pool,
      .date = date,
      .own_principal = "spiffe://cluster.local/ns/app/sa/waypoint",
      .random = [] { return std::uint64_t{0}; },
      .unix_seconds = [] { return std::int64_t{784111777}; },
      .observe = [this](const ConnectionContext&,
                        const RequestRecord& record) { records.push_back(record); }};
};

inline Task<void> ReadAll(io::Stream& stream, std::string& out) {
  while (true) {
    Result<Chunk> got = co_await stream.Read(StopToken());
    if (!got) out += "<reset>";
    if (!got || got->empty()) co_return;
    out += got->text();
  }
}

inline Task<void> Say(io::Stream& stream, std::string text) {
  Chunk chunk = Chunk::CopyOf(text);
  REQUIRE(co_await stream.Write(std::move(chunk), StopToken()));
}

// Waits for what the test has in `scope`, and for what it has left behind.
inline Task<void> EndAll(World& world, Scope& scope) {
  co_await scope.Join();
  co_await world.pool.Shutdown();
  co_await world.backends.servers.Join();
}

// Sends all of `sent` at once, and gives what comes back until the waypoint closes.
inline Task<std::string> Talk(World& world, std::string sent) {
  StreamPair pair = MakeStreams(world.drip);
  Scope scope;
  scope.Spawn(ServeHttp(std::move(pair.b), Chunk(), world.parts, world.context, world.limits,
                        StopToken(), StopToken()));
  Chunk chunk = Chunk::CopyOf(sent);
  (void)co_await pair.a->Write(std::move(chunk), StopToken());
  std::string received;
  co_await ReadAll(*pair.a, received);
  (void)co_await pair.a->ShutdownWrite(StopToken());
  co_await EndAll(world, scope);
  co_return received;
}

// The whole of a test in one call, on virtual time: idle connections end by their timeout.
template <class Prepare>
std::string Answer(Prepare prepare, const std::string& sent, size_t drip = 0,
                   World** seen = nullptr) {
  std::string received;
  struct Main {
    static Task<void> Run(Prepare& prepare, const std::string& sent, size_t drip,
                          std::string& received, World** seen) {
      auto world = std::make_unique<World>(drip);
      prepare(*world);
      received = co_await Talk(*world, sent);
      if (seen != nullptr) *seen = world.release();
    }
  };
  aquifer::test::RunVirtual(Main::Run(prepare, sent, drip, received, seen));
  return received;
}

}  // namespace aquifer::waypoint::test
