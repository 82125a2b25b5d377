#include "core/http/grpc.h"

#include <string>
#include <tuple>
#include <vector>

#include "core/http/grpc_client.h"
#include "core/http/grpc_server.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/unit/http/loopback.h"

namespace aquifer::http {
namespace {

// --- framing
// -----------------------------------------------------------------------------------------

std::string Decode(const std::vector<std::string_view>& pieces,
                   std::size_t max_message_bytes = 100) {
  GrpcDecoder decoder(max_message_bytes);
  std::string told;
  for (const std::string_view piece : pieces) {
    decoder.Feed(Chunk::CopyOf(piece));
    while (true) {
      const Result<std::optional<std::string>, GrpcStatus> next = decoder.Next();
      if (!next) return told + "error " + std::string(GrpcCodeName(next.error().code));
      if (!next->has_value()) break;
      told += "[" + **next + "]";
    }
  }
  return told + (decoder.at_boundary() ? "" : " cut");
}

TEST_CASE("messages come out whole wherever the bytes were cut") {
  std::string input;
  for (const std::string& text : std::vector<std::string>{"", "a", "hello", std::string(90, 'x')})
    input += GrpcFrame(text).text();
  const std::string whole = "[][a][hello][" + std::string(90, 'x') + "]";
  CHECK(Decode({input}) == whole);
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < input.size(); ++i)
    bytes.push_back(std::string_view(input).substr(i, 1));
  CHECK(Decode(bytes) == whole);
  for (std::size_t i = 0; i <= input.size(); ++i) {
    CHECK(Decode({std::string_view(input).substr(0, i), std::string_view(input).substr(i)}) ==
          whole);
  }
}

TEST_CASE("a message over the limit is refused by its length alone") {
  CHECK(Decode({GrpcFrame(std::string(100, 'x')).text()}) == "[" + std::string(100, 'x') + "]");
  CHECK(Decode({std::string_view("\0\0\0\0\x65", 5)}) == "error RESOURCE_EXHAUSTED");
  CHECK(Decode({std::string_view("\0\xff\xff\xff\xff", 5)}) == "error RESOURCE_EXHAUSTED");
}

TEST_CASE("a compressed message is refused") {
  CHECK(Decode({std::string_view("\1\0\0\0\0", 5)}) == "error UNIMPLEMENTED");
}

TEST_CASE("an end within a message is seen") {
  CHECK(Decode({std::string_view("\0\0", 2)}) == " cut");
  CHECK(Decode({std::string_view("\0\0\0\0\2x", 6)}) == " cut");
}

TEST_CASE("a status survives its trailers with any text") {
  for (const std::string& text :
       std::vector<std::string>{"", "plain", "50% \r\n\xc3\xa4 \x7f", "%41%", "%"}) {
    HeaderList trailers;
    AddGrpcStatus(trailers, {GrpcCode::kNotFound, text});
    CHECK(GrpcStatusFrom(trailers) == GrpcStatus{GrpcCode::kNotFound, text});
  }
}

TEST_CASE("a missing or malformed grpc-status is UNKNOWN") {
  HeaderList trailers;
  CHECK(GrpcStatusFrom(trailers).code == GrpcCode::kUnknown);
  for (const char* text : {"", "17", "-1", "0x0", "1 2", "99999999999"}) {
    trailers.Set("grpc-status", text);
    CHECK(GrpcStatusFrom(trailers).code == GrpcCode::kUnknown);
  }
}

// --- calls
// -------------------------------------------------------------------------------------------

class Service {
 public:
  GrpcServer server{1024 * 1024};
  int cancelled = 0;

  Service() {
    server.Register("/test/Echo",
                    [this](GrpcServerCall& call, StopToken stop) { return Echo(call, stop); });
    server.Register("/test/Refuse",
                    [this](GrpcServerCall& call, StopToken stop) { return Refuse(call, stop); });
    server.Register("/test/Count",
                    [this](GrpcServerCall& call, StopToken stop) { return Count(call, stop); });
    server.Register("/test/Hang",
                    [this](GrpcServerCall& call, StopToken stop) { return Hang(call, stop); });
  }

 private:
  Task<GrpcStatus> Echo(GrpcServerCall& call, StopToken stop) {
    call.initial_metadata().Add("x-initial", "1");
    while (true) {
      Result<std::optional<std::string>> got = co_await call.Receive(stop);
      if (!got) co_return GrpcStatus{GrpcCode::kCancelled, "gone"};
      if (!got->has_value()) break;
      const Status sent = co_await call.Send(**std::move(got), stop);
      if (!sent) co_return GrpcStatus{GrpcCode::kCancelled, "gone"};
    }
    call.trailers().Add("x-trailer", "2");
    co_return GrpcStatus{};
  }
  Task<GrpcStatus> Refuse(GrpcServerCall& call, StopToken) {
    co_return GrpcStatus{
        GrpcCode::kPermissionDenied,
        "no " + std::string(call.request().headers.Get("authorization").value_or("token"))};
  }
  Task<GrpcStatus> Count(GrpcServerCall& call, StopToken stop) {
    for (int i = 0; i < 100; ++i) {
      const Status sent = co_await call.Send(std::to_string(i), stop);
      if (!sent) co_return GrpcStatus{GrpcCode::kCancelled, ""};
    }
    co_return GrpcStatus{GrpcCode::kOutOfRange, "that is all"};
  }
  Task<GrpcStatus> Hang(GrpcServerCall&, StopToken stop) {
    Event never;
    const Status waited = co_await never.Wait(stop);
    CHECK_FALSE(waited.ok());
    ++cancelled;
    co_return GrpcStatus{GrpcCode::kCancelled, ""};
  }
};

Task<void> RunClient(H2Connection& client, StopToken stop) {
  std::ignore = co_await client.Run(stop);
}

Task<void> RunServer(Service& service, io::StreamPtr transport, StopToken stop) {
  const H2Options options;
  std::ignore = co_await service.server.ServeConnection(std::move(transport), options, stop);
}

struct Bench {
  explicit Bench(test::Sockets sockets) : client(H2Role::kClient, std::move(sockets.client), {}) {
    tasks.Spawn(RunServer(service, std::move(sockets.server), stop.token()));
    tasks.Spawn(RunClient(client, stop.token()));
  }
  Task<void> Finish() {
    stop.RequestStop();
    co_await tasks.Join();
  }
  GrpcCallSpec Spec(std::string path) {
    GrpcCallSpec spec;
    spec.authority = "test";
    spec.path = std::move(path);
    return spec;
  }

  StopSource stop;
  Service service;
  H2Connection client;
  Scope tasks;
};

TEST_CASE("a unary call sends one message and gets one back, empty and large ones too") {
  const auto body = []() -> Task<void> {
    Bench bench(co_await test::MakeSockets());
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{1'000'000}}) {
      const std::string text(size, 'm');
      const Result<GrpcReply> reply =
          co_await CallUnary(bench.client, bench.Spec("/test/Echo"), text, StopToken());
      REQUIRE(reply.ok());
      CHECK(reply->status.ok());
      CHECK(reply->message == text);
    }
    co_await bench.Finish();
  };
  test::Run(body());
}

TEST_CASE("a refusal arrives with its code, its text and what caused it") {
  const auto body = []() -> Task<void> {
    Bench bench(co_await test::MakeSockets());
    GrpcCallSpec spec = bench.Spec("/test/Refuse");
    spec.metadata.Add("authorization", "Bearer x");
    const Result<GrpcReply> reply = co_await CallUnary(bench.client, spec, "hi", StopToken());
    REQUIRE(reply.ok());
    CHECK(reply->status == GrpcStatus{GrpcCode::kPermissionDenied, "no Bearer x"});
    const Result<GrpcReply> unknown =
        co_await CallUnary(bench.client, bench.Spec("/test/Nothing"), "hi", StopToken());
    REQUIRE(unknown.ok());
    CHECK(unknown->status.code == GrpcCode::kUnimplemented);
    co_await bench.Finish();
  };
  test::Run(body());
}

TEST_CASE("a message over the server's limit gets RESOURCE_EXHAUSTED") {
  const auto body = []() -> Task<void> {
    Bench bench(co_await test::MakeSockets());
    const std::string text(1024 * 1024 + 1, 'm');
    const Result<GrpcReply> reply =
        co_await CallUnary(bench.client, bench.Spec("/test/Echo"), text, StopToken());
    REQUIRE(reply.ok());
    CHECK(reply->status.code == GrpcCode::kResourceExhausted);
    co_await bench.Finish();
  };
  test::Run(body());
}

TEST_CASE("a message over the client's limit ends the call") {
  const auto body = []() -> Task<void> {
    Bench bench(co_await test::MakeSockets());
    GrpcCallSpec spec = bench.Spec("/test/Echo");
    spec.max_message_bytes = 3;
    const Result<GrpcReply> reply = co_await CallUnary(bench.client, spec, "four", StopToken());
    REQUIRE(reply.ok());
    CHECK(reply->status.code == GrpcCode::kResourceExhausted);
    co_await bench.Finish();
  };
  test::Run(body());
}

TEST_CASE("a stream of messages goes both ways and ends with metadata and status") {
  const auto body = []() -> Task<void> {
    Bench bench(co_await test::MakeSockets());
    const GrpcCallSpec spec = bench.Spec("/test/Echo");
    Result<std::unique_ptr<GrpcCall>> call = GrpcCall::Start(bench.client, spec);
    REQUIRE(call.ok());
    for (int i = 0; i < 50; ++i) {
      const std::string text(static_cast<std::size_t>(i * 1000), 'x');
      const Status sent = co_await (*call)->Send(text, StopToken());
      REQUIRE(sent.ok());
      const Result<std::optional<std::string>> got = co_await (*call)->Receive(StopToken());
      REQUIRE(got.ok());
      CHECK(*got == text);
    }
    std::ignore = co_await (*call)->FinishSending(StopToken());
    const Result<std::optional<std::string>> end = co_await (*call)->Receive(StopToken());
    REQUIRE(end.ok());
    CHECK_FALSE(end->has_value());
    CHECK((*call)->status().ok());
    CHECK((*call)->initial_metadata().Get("x-initial") == "1");
    CHECK((*call)->trailers().Get("x-trailer") == "2");
    co_await bench.Finish();
  };
  test::Run(body());
}

TEST_CASE("messages that came before a failure are still delivered") {
  const auto body = []() -> Task<void> {
    Bench bench(co_await test::MakeSockets());
    const GrpcCallSpec spec = bench.Spec("/test/Count");
    Result<std::unique_ptr<GrpcCall>> call = GrpcCall::Start(bench.client, spec);
    REQUIRE(call.ok());
    for (int i = 0; i < 100; ++i) {
      const Result<std::optional<std::string>> got = co_await (*call)->Receive(StopToken());
      REQUIRE(got.ok());
      CHECK(*got == std::to_string(i));
    }
    const Result<std::optional<std::string>> end = co_await (*call)->Receive(StopToken());
    REQUIRE(end.ok());
    CHECK((*call)->status() == GrpcStatus{GrpcCode::kOutOfRange, "that is all"});
    co_await bench.Finish();
  };
  test::Run(body());
}

TEST_CASE("a call that is dropped stops its handler") {
  const auto body = []() -> Task<void> {
    Bench bench(co_await test::MakeSockets());
    const GrpcCallSpec spec = bench.Spec("/test/Hang");
    Result<std::unique_ptr<GrpcCall>> call = GrpcCall::Start(bench.client, spec);
    REQUIRE(call.ok());
    std::ignore = co_await (*call)->Send("x", StopToken());
    const Result<GrpcReply> other =
        co_await CallUnary(bench.client, bench.Spec("/test/Echo"), "y", StopToken());
    CHECK(other.ok());
    CHECK(bench.service.cancelled == 0);
    call->reset();
    while (bench.service.cancelled == 0)
      std::ignore = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
    co_await bench.Finish();
  };
  test::Run(body());
}

TEST_CASE("a call ends with the connection, without a status") {
  const auto body = []() -> Task<void> {
    Bench bench(co_await test::MakeSockets());
    const GrpcCallSpec spec = bench.Spec("/test/Hang");
    Result<std::unique_ptr<GrpcCall>> call = GrpcCall::Start(bench.client, spec);
    REQUIRE(call.ok());
    bench.stop.RequestStop(Reason::kDrained);
    const Result<std::optional<std::string>> got = co_await (*call)->Receive(StopToken());
    CHECK(got.error().reason == Reason::kDrained);
    co_await bench.Finish();
  };
  test::Run(body());
}

}  // namespace
}  // namespace aquifer::http
