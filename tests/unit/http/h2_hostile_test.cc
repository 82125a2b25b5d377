// Peers of an H2Connection that speak raw frames over loopback and mean no good.
#include <string>
#include <tuple>
#include <vector>

#include "core/http/h2_connection.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/unit/http/h2_frames.h"
#include "tests/unit/http/loopback.h"

namespace aquifer::http {
namespace {

using test::Frame;
using test::U32;

Task<void> RunServer(H2Connection& connection, StopToken stop, Status& end) {
  end = co_await connection.Run(stop);
}

struct Victim {
  explicit Victim(test::Sockets sockets, const H2Options& options = {})
      : peer(std::move(sockets.client)),
        connection(H2Role::kServer, std::move(sockets.server), options,
                   [this](H2StreamPtr s) { held.push_back(std::move(s)); }) {
    tasks.Spawn(RunServer(connection, stop.token(), end));
  }
  Task<void> Say(std::string input) {
    std::ignore = co_await peer->Write(Chunk::CopyOf(input), StopToken());
  }
  // Reads until the server has acknowledged a PING: it has then seen everything said before.
  Task<void> Settle() {
    co_await Say(Frame(test::kPing, 0, 0, "settled?"));
    std::string all;
    while (all.find("settled?") == std::string::npos) {
      const Result<Chunk> got = co_await peer->Read(StopToken());
      REQUIRE(got.ok());
      REQUIRE_FALSE(got->empty());
      all += got->text();
    }
  }

  StopSource stop;
  io::SocketPtr peer;
  std::vector<H2StreamPtr> held;  // handlers that take their time
  Status end;
  H2Connection connection;
  Scope tasks;
};

TEST_CASE("streams that are reset before their handlers notice do not pile up") {
  const auto body = []() -> Task<void> {
    H2Options options;
    options.settings.max_concurrent_streams = 10;
    Victim victim(co_await test::MakeSockets(), options);
    std::string input = test::ClientHello();
    for (std::uint32_t i = 0; i < 500; ++i)
      input += test::ConnectHeaders(2 * i + 1) + Frame(test::kRstStream, 0, 2 * i + 1, U32(8));
    co_await victim.Say(input);
    co_await victim.Settle();
    CHECK(victim.held.size() == 20);
    for (const H2StreamPtr& stream : victim.held) CHECK(stream->gone().requested());
    victim.held.clear();
    co_await victim.Say(test::ConnectHeaders(1001));
    co_await victim.Settle();
    CHECK(victim.held.size() == 1);
    victim.stop.RequestStop();
    co_await victim.tasks.Join();
  };
  test::Run(body());
}

TEST_CASE("a flood ends the connection with a reason and its streams with it") {
  const auto body = []() -> Task<void> {
    Victim victim(co_await test::MakeSockets());
    co_await victim.Say(test::ClientHello() + test::ConnectHeaders(1));
    co_await victim.Settle();
    REQUIRE(victim.held.size() == 1);
    std::string flood;
    for (int i = 0; i < 10'000; ++i) flood += Frame(test::kData, 0, 1, "");
    co_await victim.Say(flood);
    co_await victim.tasks.Join();
    CHECK(victim.end.error().reason == Reason::kOverload);
    CHECK(victim.held[0]->gone().requested());
  };
  test::Run(body());
}

TEST_CASE("a peer that vanishes in the middle of a frame fails its streams") {
  const auto body = []() -> Task<void> {
    Victim victim(co_await test::MakeSockets());
    co_await victim.Say(test::ClientHello() + test::ConnectHeaders(1) +
                        Frame(test::kData, 0, 1, "some"));
    co_await victim.Settle();
    co_await victim.Say(Frame(test::kData, 0, 1, "more").substr(0, 11));
    victim.peer.reset();
    co_await victim.tasks.Join();
    CHECK_FALSE(victim.end.ok());
    H2Stream& stream = *victim.held.at(0);
    const Result<Chunk> data = co_await stream.Read(StopToken());
    REQUIRE(data.ok());
    CHECK(data->text().starts_with("some"));
    const Result<Chunk> failed = co_await stream.Read(StopToken());
    bool ended = !failed.ok();
    if (!ended) {
      const Result<Chunk> after = co_await stream.Read(StopToken());
      ended = !after.ok();
    }
    CHECK(ended);
  };
  test::Run(body());
}

TEST_CASE("a stream's writer is freed when the peer resets it") {
  const auto body = []() -> Task<void> {
    Victim victim(co_await test::MakeSockets());
    // No window at all: whatever is written stays.
    co_await victim.Say(std::string(test::kPreface) +
                        Frame(test::kSettings, 0, 0, std::string("\0\4\0\0\0\0", 6)) +
                        test::ConnectHeaders(1));
    co_await victim.Settle();
    H2Stream& stream = *victim.held.at(0);
    const Status answered = stream.Respond(ResponseHead{200, {}}, EndStream::kNo);
    REQUIRE(answered.ok());
    co_await victim.Say(Frame(test::kRstStream, 0, 1, U32(8)));
    const Status written =
        co_await stream.Write(Chunk::CopyOf(std::string(1'000'000, 'x')), StopToken());
    CHECK(written.error().reason == Reason::kPeerReset);
    victim.stop.RequestStop();
    co_await victim.tasks.Join();
  };
  test::Run(body());
}

TEST_CASE("a silent peer is found out by PING") {
  const auto body = []() -> Task<void> {
    H2Options options;
    options.ping_interval = std::chrono::milliseconds(20);
    options.ping_timeout = std::chrono::milliseconds(20);
    Victim victim(co_await test::MakeSockets(), options);
    co_await victim.Say(test::ClientHello());
    co_await victim.tasks.Join();
    CHECK(victim.end.error().reason == Reason::kTimeout);
    std::string heard;
    while (test::Describe(heard).find("PING") == std::string::npos) {
      const Result<Chunk> got = co_await victim.peer->Read(StopToken());
      REQUIRE(got.ok());
      REQUIRE_FALSE(got->empty());
      heard += got->text();
    }
  };
  test::Run(body());
}

}  // namespace
}  // namespace aquifer::http
