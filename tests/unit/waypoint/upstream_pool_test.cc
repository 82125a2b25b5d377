#include "waypoint/upstream_pool.h"

#include <algorithm>

#include "tests/support/run_task.h"
#include "tests/unit/waypoint/memory_stream.h"

namespace aquifer::waypoint {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kOk = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
constexpr const char* kLate = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n";

// One backend. HTTP/1 is spoken by the test itself, at the ends of the connections.
class OneBackend final : public Backends {
 public:
  explicit OneBackend(bool http2) : http2_(http2) {}

  Result<ChosenBackend> Choose(const UpstreamRequest&) override {
    ChosenBackend chosen;
    chosen.key = "backend";
    chosen.http2 = http2_;
    return chosen;
  }

  Task<Result<io::StreamPtr>> Dial(ChosenBackend, StopToken stop) override {
    ++dials;
    const Status waited = co_await SleepFor(dial_takes, stop);
    if (!waited) co_return waited.error();
    if (refuse) co_return Error{Reason::kConnectRefused};
    test::StreamPair pair = test::MakeStreams();
    if (http2_) {
      servers.Spawn(Serve(std::move(pair.b)));
    } else {
      ends.push_back(std::move(pair.b));
    }
    co_return std::move(pair.a);
  }

  int dials = 0;
  int ended = 0;  // HTTP/2 connections
  bool refuse = false;
  milliseconds dial_takes{0};
  std::vector<io::StreamPtr> ends;
  Scope servers;

 private:
  static Task<void> Answer(http::H2StreamPtr stream) {
    (void)co_await SleepFor(milliseconds(std::stoi(stream->request().path.substr(1))), StopToken());
    http::ResponseHead head;
    head.status = 200;
    (void)stream->Respond(head, http::EndStream::kYes);
  }

  Task<void> Serve(io::StreamPtr stream) {
    Scope answers;
    http::H2Options options;
    options.settings.max_concurrent_streams = 100;
    http::H2Connection connection(
        http::H2Role::kServer, std::move(stream), options,
        [&](http::H2StreamPtr request) { answers.Spawn(Answer(std::move(request))); });
    (void)co_await connection.Run(StopToken());
    co_await answers.Join();
    ++ended;
  }

  const bool http2_;
};

struct Fixture {
  explicit Fixture(bool http2, const UpstreamPoolOptions& options = {})
      : backend(http2), pool(backend, options) {}

  Task<UpstreamCallPtr> Open(bool fresh = false) {
    UpstreamRequest request;
    request.fresh = fresh;
    Endpoint endpoint;
    Result<UpstreamCallPtr> call = co_await pool.Open(std::move(request), endpoint, StopToken());
    REQUIRE(call.ok());
    co_return *std::move(call);
  }

  // The path says for how many milliseconds an HTTP/2 backend thinks.
  static Task<Status> Ask(UpstreamCall& call, std::string path = "/0") {
    http::RequestHead head{"GET", "http", "backend", path, {}};
    co_return co_await call.SendHead(std::move(head), http::BodyLength::None(), false, StopToken());
  }

  // HTTP/1: answers what was asked on connection `number`.
  Task<void> Answer(UpstreamCall& call, size_t number) {
    REQUIRE(co_await backend.ends[number]->Read(StopToken()));
    co_await Say(number, kOk);
    const Result<http::ResponseHead> head = co_await call.ReadHead(StopToken());
    REQUIRE(head.ok());
    CHECK(head->status == 200);
    while (true) {
      const Result<Chunk> got = co_await call.ReadBody(StopToken());
      REQUIRE(got.ok());
      if (got->empty()) co_return;
    }
  }

  Task<void> Say(size_t number, std::string text) {
    Chunk chunk = Chunk::CopyOf(text);
    REQUIRE(co_await backend.ends[number]->Write(std::move(chunk), StopToken()));
  }

  // `count` kept connections.
  Task<void> Keep(size_t count) {
    std::vector<UpstreamCallPtr> calls;
    for (size_t i = 0; i < count; ++i) calls.push_back(co_await Open());
    for (size_t i = 0; i < count; ++i) {
      REQUIRE(co_await Ask(*calls[i]));
      co_await Answer(*calls[i], i);
      calls[i].reset();
    }
    REQUIRE(pool.idle() == count);
  }

  Task<void> End() {
    co_await pool.Shutdown();
    backend.ends.clear();
    co_await backend.servers.Join();
  }

  OneBackend backend;
  UpstreamPool pool;
};

enum class Comes { kFin, kReset, kStrayBytes };

// What comes on an idle connection, and whether the pool has had time to see it.
Task<void> ComesWhileIdle(Comes what, bool seen) {
  Fixture f(false);
  co_await f.Keep(1);
  if (what == Comes::kFin) REQUIRE(co_await f.backend.ends[0]->ShutdownWrite(StopToken()));
  if (what == Comes::kStrayBytes) co_await f.Say(0, kLate);
  if (what == Comes::kReset) {
    f.backend.ends[0]->Reset();
    f.backend.ends[0].reset();
  }
  if (seen) {
    (void)co_await SleepFor(milliseconds(1), StopToken());
    CHECK(f.pool.idle() == 0);
  }
  UpstreamCallPtr call = co_await f.Open();
  CHECK(f.backend.dials == 2);
  CHECK_FALSE(call->reused());
  REQUIRE(co_await Fixture::Ask(*call));
  co_await f.Answer(*call, 1);
  call.reset();
  co_await f.End();
}

TEST_CASE("whatever comes on an idle connection ends it and is nobody's response") {
  for (const Comes what : {Comes::kFin, Comes::kReset, Comes::kStrayBytes}) {
    for (const bool seen : {true, false}) {
      INFO(static_cast<int>(what) << (seen ? " seen" : " unseen"));
      aquifer::test::RunVirtual(ComesWhileIdle(what, seen));
    }
  }
}

TEST_CASE("bytes behind a response end its connection") {
  struct Main {
    static Task<void> Run() {
      Fixture f(false);
      UpstreamCallPtr call = co_await f.Open();
      REQUIRE(co_await Fixture::Ask(*call));
      REQUIRE(co_await f.backend.ends[0]->Read(StopToken()));
      co_await f.Say(0, std::string(kOk) + kLate);
      REQUIRE(co_await call->ReadHead(StopToken()));
      while (true) {
        const Result<Chunk> got = co_await call->ReadBody(StopToken());
        REQUIRE(got.ok());
        if (got->empty()) break;
      }
      call.reset();
      CHECK(f.pool.idle() == 0);
      co_await f.End();
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

TEST_CASE("when a kept connection fails the others of its kind are not tried") {
  struct Main {
    static Task<void> Run() {
      Fixture f(false);
      co_await f.Keep(3);
      UpstreamCallPtr call = co_await f.Open();
      CHECK(call->reused());
      CHECK(f.pool.idle() == 2);
      REQUIRE(co_await Fixture::Ask(*call));
      for (const io::StreamPtr& end : f.backend.ends) {
        REQUIRE(co_await end->ShutdownWrite(StopToken()));
      }
      CHECK_FALSE((co_await call->ReadHead(StopToken())).ok());
      CHECK(f.pool.idle() == 0);
      call.reset();
      call = co_await f.Open();
      CHECK_FALSE(call->reused());
      call.reset();
      co_await f.End();
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

TEST_CASE("a call that its client leaves says nothing about other connections") {
  struct Main {
    static Task<void> Run() {
      Fixture f(false);
      co_await f.Keep(2);
      UpstreamCallPtr call = co_await f.Open();
      REQUIRE(co_await Fixture::Ask(*call));
      StopSource left;
      left.RequestStop(Reason::kPeerReset);
      CHECK_FALSE((co_await call->ReadHead(left.token())).ok());
      call.reset();
      CHECK(f.pool.idle() == 1);
      co_await f.End();
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

TEST_CASE("a try after such a failure dials whatever is kept") {
  struct Main {
    static Task<void> Run() {
      Fixture f(false);
      co_await f.Keep(1);
      UpstreamCallPtr call = co_await f.Open(true);
      CHECK_FALSE(call->reused());
      CHECK(f.backend.dials == 2);
      call.reset();
      co_await f.End();
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

// One request over HTTP/2, from the choice of a connection to the answer.
Task<void> AskH2(Fixture& f, std::string path, std::vector<Reason>& outcomes, StopToken stop) {
  Endpoint endpoint;
  Result<UpstreamCallPtr> call = co_await f.pool.Open(UpstreamRequest(), endpoint, stop);
  if (!call) {
    outcomes.push_back(call.error().reason);
    co_return;
  }
  const Status asked = co_await Fixture::Ask(**call, path);
  const Result<http::ResponseHead> head =
      asked ? co_await (*call)->ReadHead(stop) : Result<http::ResponseHead>(asked.error());
  outcomes.push_back(head ? Reason::kOk : head.error().reason);
}

struct Burst {
  int size = 80;
  bool refuse = false;
  bool first_leaves = false;
  int dials = 0;
  std::vector<Reason> outcomes;

  static Task<void> Run(Burst& burst) {
    Fixture f(true);
    f.backend.dial_takes = milliseconds(100);
    f.backend.refuse = burst.refuse;
    StopSource first;
    Scope asking;
    for (int i = 0; i < burst.size; ++i) {
      asking.Spawn(AskH2(f, "/5000", burst.outcomes, i == 0 ? first.token() : StopToken()));
    }
    (void)co_await SleepFor(milliseconds(50), StopToken());
    if (burst.first_leaves) first.RequestStop(Reason::kPeerReset);
    co_await asking.Join();
    burst.dials = f.backend.dials;
    co_await f.End();
  }
  long Count(Reason reason) const { return std::count(outcomes.begin(), outcomes.end(), reason); }
};

TEST_CASE("a burst of requests over HTTP/2 shares one dial") {
  Burst burst;
  aquifer::test::RunVirtual(Burst::Run(burst));
  CHECK(burst.dials == 1);
  CHECK(burst.Count(Reason::kOk) == 80);
}

TEST_CASE("more requests than a connection has streams take another one, and none fails") {
  Burst burst{.size = 250};
  aquifer::test::RunVirtual(Burst::Run(burst));
  CHECK(burst.dials == 3);
  CHECK(burst.Count(Reason::kOk) == 250);
}

TEST_CASE("a dial that fails fails for all who wait for it") {
  Burst burst{.refuse = true};
  aquifer::test::RunVirtual(Burst::Run(burst));
  CHECK(burst.dials == 1);
  CHECK(burst.Count(Reason::kConnectRefused) == 80);
}

TEST_CASE("a client that leaves during its dial takes nobody with it") {
  Burst burst{.first_leaves = true};
  aquifer::test::RunVirtual(Burst::Run(burst));
  CHECK(burst.dials == 2);
  CHECK(burst.Count(Reason::kOk) == 79);
  CHECK(burst.Count(Reason::kPeerReset) == 1);
}

TEST_CASE("a shared connection ends after some time without streams, and not before") {
  struct Main {
    static Task<void> Run() {
      Fixture f(true, {.idle_timeout = seconds(1)});
      std::vector<Reason> outcomes;
      co_await AskH2(f, "/3000", outcomes, StopToken());
      (void)co_await SleepFor(milliseconds(600), StopToken());
      CHECK(f.backend.ended == 0);
      co_await AskH2(f, "/0", outcomes, StopToken());
      CHECK(outcomes == std::vector<Reason>{Reason::kOk, Reason::kOk});
      CHECK(f.backend.dials == 1);
      (void)co_await SleepFor(milliseconds(1500), StopToken());
      CHECK(f.backend.ended == 1);
      co_await AskH2(f, "/0", outcomes, StopToken());
      CHECK(f.backend.dials == 2);
      co_await f.End();
    }
  };
  aquifer::test::RunVirtual(Main::Run());
}

}  // namespace
}  // namespace aquifer::waypoint
