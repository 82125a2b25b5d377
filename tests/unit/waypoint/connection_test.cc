#include "waypoint/connection.h"

#include "core/http/h2_connection.h"
#include "tests/unit/waypoint/exchange_world.h"
#include "waypoint/sniff.h"

namespace aquifer::waypoint {
namespace {

using test::EndAll;
using test::kOk;
using test::MakeStreams;
using test::StreamPair;
using test::World;

TEST_CASE("first bytes tell the protocol, and part of them asks for more") {
  CHECK(Sniff("") == Sniffed::kNeedMore);
  CHECK(Sniff("P") == Sniffed::kNeedMore);
  CHECK(Sniff("PR") == Sniffed::kNeedMore);
  CHECK(Sniff("POST") == Sniffed::kNeedMore);
  CHECK(Sniff("POST /") == Sniffed::kHttp1);
  CHECK(Sniff("GET http://a/ HTTP/1.1\r\n") == Sniffed::kHttp1);
  CHECK(Sniff("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == Sniffed::kHttp2);
  CHECK(Sniff("PRI * HTTP/2.0\r\n\r\nSM") == Sniffed::kNeedMore);
  CHECK(Sniff(std::string_view("\x16\x03\x01", 3)) == Sniffed::kOther);
  CHECK(Sniff("SSH-2.0-") == Sniffed::kOther);
  CHECK(Sniff("GET\t/") == Sniffed::kOther);
}

struct H2Answer {
  Result<http::ResponseHead> head = Error{Reason::kStopped};
  std::string body;
  http::HeaderList trailers;
};

Task<void> Ask(http::H2Connection& client, http::RequestHead head, std::string body,
               H2Answer& answer) {
  const bool empty = body.empty();
  Result<http::H2StreamPtr> stream =
      client.Open(head, empty ? http::EndStream::kYes : http::EndStream::kNo);
  REQUIRE(stream.ok());
  if (!empty) {
    Chunk chunk = Chunk::CopyOf(body);
    (void)co_await (*stream)->Write(std::move(chunk), StopToken());
    http::HeaderList trailers;
    (void)trailers.Add("x-sum", "7");
    (void)(*stream)->ShutdownWithTrailers(std::move(trailers));
  }
  answer.head = co_await (*stream)->ReadHead(StopToken());
  if (!answer.head.ok()) co_return;
  co_await test::ReadAll(**stream, answer.body);
  answer.trailers = (*stream)->trailers();
}

Task<void> Drive(http::H2Connection& client, StopToken stop) { (void)co_await client.Run(stop); }

// All requests at once on one connection.
Task<void> TalkH2(World& world, std::vector<std::pair<http::RequestHead, std::string>> requests,
                  std::vector<H2Answer>& answers) {
  StreamPair pair = MakeStreams();
  StopSource over;
  Scope serving;
  serving.Spawn(ServeHttp(std::move(pair.b), Chunk(), world.parts, world.context, world.limits,
                          StopToken(), over.token()));
  http::H2Options options;
  options.ping_interval = Clock::duration::zero();
  http::H2Connection client(http::H2Role::kClient, std::move(pair.a), options);
  serving.Spawn(Drive(client, over.token()));
  answers.resize(requests.size());
  Scope asking;
  for (size_t i = 0; i < requests.size(); ++i) {
    asking.Spawn(Ask(client, requests[i].first, requests[i].second, answers[i]));
  }
  co_await asking.Join();
  over.RequestStop();
  co_await EndAll(world, serving);
}

http::RequestHead Get(const std::string& path) { return {"GET", "http", "httpbin", path, {}}; }

TEST_CASE("an HTTP/2 client is served from an HTTP/1.1 backend") {
  struct Main {
    static Task<void> Run() {
      World world;
      world.httpbin().answers = {kOk};
      std::vector<H2Answer> answers;
      co_await TalkH2(world, {{Get("/a/../get"), ""}}, answers);
      REQUIRE(answers[0].head.ok());
      CHECK(answers[0].head->status == 200);
      CHECK(answers[0].body == "hi");
      CHECK(answers[0].head->headers.Get("server") == "istio-envoy");
      CHECK(world.httpbin().received.starts_with("GET /get HTTP/1.1\r\nhost: httpbin\r\n"));
      CHECK(world.records.at(0).protocol == "HTTP/2");
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

TEST_CASE("the scheme that an HTTP/2 client of a gateway claims is not believed") {
  struct Main {
    static Task<void> Run() {
      World world;
      world.gateway.is_waypoint = false;
      world.gateway.listeners = {
          {.name = "http", .port = 8000, .protocol = ListenerProtocol::kHttp, .hostname = ""}};
      world.context.edge = Edge::kGateway;
      world.context.destination.reset();
      world.httpbin().answers = {kOk};
      world.Rule(
          {test::RouteOf(
              R"(parents { listener { namespace: "app" name: "waypoint" listener: "http" } } rules {
                 backends { weight: 1 service { namespace: "app" hostname: "httpbin" port: 8000 } } })")},
          {});
      http::RequestHead head = Get("/");
      head.scheme = "https";
      std::vector<H2Answer> answers;
      co_await TalkH2(world, {{head, ""}}, answers);
      CHECK(answers[0].head->status == 200);
      CHECK(world.httpbin().received.find("x-forwarded-proto: http\r\n") != std::string::npos);
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

TEST_CASE("an HTTP/2 request's body and trailers arrive chunked at an HTTP/1.1 backend") {
  struct Main {
    static Task<void> Run() {
      World world;
      world.httpbin().answers = {
          "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-done: 1\r\n\r\n"};
      http::RequestHead head = Get("/post");
      head.method = "POST";
      std::vector<H2Answer> answers;
      co_await TalkH2(world, {{head, "payload"}}, answers);
      CHECK(answers[0].body == "ok");
      CHECK(answers[0].trailers.Get("x-done") == "1");
      CHECK(world.httpbin().received.find("7\r\npayload\r\n0\r\nx-sum: 7\r\n\r\n") !=
            std::string::npos);
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

TEST_CASE("denials over HTTP/2 keep their fields, and gRPC gets a status in its own way") {
  struct Main {
    static Task<void> Run() {
      World world;
      world.Rule({}, {test::Deny({mesh::v1::AuthorizationRule()})});
      http::RequestHead grpc = Get("/pkg.Service/Method");
      grpc.method = "POST";
      (void)grpc.headers.Add("content-type", "application/grpc");
      std::vector<H2Answer> answers;
      co_await TalkH2(world, {{Get("/"), ""}, {grpc, "frame"}}, answers);
      CHECK(answers[0].head->status == 403);
      CHECK(answers[0].body == "RBAC: access denied");
      CHECK(answers[0].head->headers.Get("content-length") == "19");
      CHECK(answers[1].head->status == 200);
      CHECK(answers[1].head->headers.Get("grpc-status") == "7");
      CHECK(answers[1].head->headers.Get("grpc-message") == "RBAC: access denied");
      CHECK(answers[1].body.empty());
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

TEST_CASE("requests of one HTTP/2 connection do not wait for each other") {
  struct Main {
    static Task<void> Run() {
      World world;
      world.httpbin().answers = {std::string("@1000 ") + kOk, kOk};
      std::vector<H2Answer> answers;
      co_await TalkH2(world, {{Get("/slow"), ""}, {Get("/fast"), ""}}, answers);
      CHECK(answers[0].body == "hi");
      CHECK(answers[1].body == "hi");
      CHECK(world.records.at(0).path == "/fast");
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

Task<Inspected> Look(std::string sent, ConnectionLimits limits) {
  StreamPair pair = MakeStreams(1);
  if (!sent.empty()) {
    Chunk chunk = Chunk::CopyOf(sent);
    (void)co_await pair.a->Write(std::move(chunk), StopToken());
  }
  Result<Inspected> inspected = co_await Inspect(*pair.b, limits, StopToken());
  REQUIRE(inspected.ok());
  co_return *std::move(inspected);
}

TEST_CASE("a silent client on an undeclared port counts as waiting for the server") {
  struct Main {
    static Task<void> Run() {
      const TimePoint started = Loop::Current().now();
      ConnectionLimits limits;
      const Inspected silent = co_await Look("", limits);
      CHECK_FALSE(silent.http);
      CHECK(Loop::Current().now() - started < std::chrono::seconds(2));
      const Inspected http = co_await Look("GET / HTTP/1.1\r\n", limits);
      CHECK(http.http);
      const Inspected tls = co_await Look("\x16\x03\x01", limits);
      CHECK_FALSE(tls.http);
      CHECK(tls.first.text() == "\x16");
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

TEST_CASE("a drain ends an idle connection and lets a request in progress end") {
  struct Main {
    static Task<void> Run() {
      World world;
      world.httpbin().answers = {std::string("@1000 ") + kOk};
      StreamPair pair = MakeStreams();
      StopSource drain;
      Scope scope;
      scope.Spawn(ServeHttp(std::move(pair.b), Chunk(), world.parts, world.context, world.limits,
                            drain.token(), StopToken()));
      Chunk chunk = Chunk::CopyOf("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      (void)co_await pair.a->Write(std::move(chunk), StopToken());
      (void)co_await SleepFor(std::chrono::milliseconds(500), StopToken());
      drain.RequestStop(Reason::kDrained);
      std::string received;
      co_await test::ReadAll(*pair.a, received);
      CHECK(received.starts_with("HTTP/1.1 200 OK"));
      CHECK(received.ends_with("hi"));
      co_await EndAll(world, scope);
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

TEST_CASE("an HTTP/2 client that asks nothing for long is asked to leave, and not one that waits") {
  struct Main {
    static Task<void> Run() {
      World world;
      world.limits.idle_timeout = std::chrono::seconds(2);
      world.httpbin().answers = {std::string("@3000 ") + kOk};
      StreamPair pair = MakeStreams();
      Scope serving;
      serving.Spawn(ServeHttp(std::move(pair.b), Chunk(), world.parts, world.context, world.limits,
                              StopToken(), StopToken()));
      http::H2Connection client(http::H2Role::kClient, std::move(pair.a), http::H2Options());
      serving.Spawn(Drive(client, StopToken()));
      H2Answer answer;
      co_await Ask(client, Get("/"), "", answer);
      REQUIRE(answer.head.ok());
      CHECK(answer.body == "hi");
      (void)co_await SleepFor(std::chrono::milliseconds(1900), StopToken());
      CHECK_FALSE(client.ended());
      co_await serving.Join();  // by itself
      CHECK(client.ended());
      co_await world.pool.Shutdown();
      co_await world.backends.servers.Join();
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

}  // namespace
}  // namespace aquifer::waypoint
