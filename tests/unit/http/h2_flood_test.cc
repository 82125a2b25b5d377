// What a peer can do within the letter of HTTP/2 to wear a server out, and what is no attack.
#include "core/http/h2_session.h"

#include <string>

#include "tests/unit/http/h2_peer.h"

namespace aquifer::http {
namespace {

// Feeds `unit(i)` again and again until the session ends, and says how often; what it said last is
// the reason.
struct Flood {
  int count = 0;
  std::string goodbye;
};
template <class F>
Flood FloodWith(Server& server, int most, F unit) {
  Flood flood;
  while (flood.count < most) {
    const Status fed = server.Feed(unit(flood.count));
    ++flood.count;
    const std::string frames = server.Frames();
    if (!fed || server.session.finished()) {
      flood.goodbye = frames;
      return flood;
    }
  }
  return flood;
}

const char* const kCalm = "GOAWAY code 11";

TEST_CASE("attack: rapid reset") {
  Server server;
  const Flood flood = FloodWith(server, 100'000, [](int i) {
    const auto id = static_cast<std::uint32_t>(2 * i + 1);
    return test::ConnectHeaders(id) + Frame(test::kRstStream, 0, id, U32(8));
  });
  CHECK(flood.count < 10'000);
  CHECK(flood.goodbye.find(kCalm) != std::string::npos);
}

TEST_CASE("an honest tunnel with thousands of short, reset streams is never punished") {
  Server server;
  for (std::uint32_t i = 0; i < 30'000; ++i) {
    const std::uint32_t id = 2 * i + 1;
    REQUIRE(server.Feed(test::ConnectHeaders(id) + Frame(test::kData, 0, id, "request")));
    REQUIRE(server.session.Respond(static_cast<std::int32_t>(id), ResponseHead{200, {}},
                                   EndStream::kNo));
    server.session.Send(static_cast<std::int32_t>(id), Chunk::CopyOf("response"));
    server.Output();
    REQUIRE(server.Feed(Frame(test::kRstStream, 0, id, U32(8))));
    server.events.bodies.clear();
  }
  CHECK(server.session.open_streams() == 0);
}

TEST_CASE("streams that we reset because the application did not answer are not the peer's fault") {
  Server server;
  for (std::uint32_t i = 0; i < 30'000; ++i) {
    const std::uint32_t id = 2 * i + 1;
    REQUIRE(server.Feed(test::ConnectHeaders(id)));
    server.session.Reset(static_cast<std::int32_t>(id), NGHTTP2_CONNECT_ERROR);
    server.Output();
  }
}

TEST_CASE("keep-alive PINGs of a day are no flood") {
  Server server;
  for (int i = 0; i < 8640; ++i) {
    server.now += std::chrono::seconds(10);
    REQUIRE(server.Feed(Frame(test::kPing, 0, 0, "keepaliv")));
    CHECK(server.Frames() == "PING ack\n");
  }
}

TEST_CASE("attack: frames that carry nothing") {
  struct Case {
    const char* name;
    std::string frame;
  };
  for (const Case& c : std::vector<Case>{
           {"empty DATA", Frame(test::kData, 0, 1, "")},
           {"padding alone", Frame(test::kData, 0x8, 1, std::string("\x3\0\0\0", 4))},
           {"PING", Frame(test::kPing, 0, 0, "12345678")},
           {"SETTINGS", Frame(test::kSettings, 0, 0, "")},
           {"window flips", Frame(test::kSettings, 0, 0, std::string("\0\4\0\0\0\1", 6)) +
                                Frame(test::kSettings, 0, 0, std::string("\0\4\0\1\0\0", 6))},
           {"table resizes", Frame(test::kSettings, 0, 0, std::string("\0\1\0\0\0\0", 6)) +
                                 Frame(test::kSettings, 0, 0, std::string("\0\1\0\0\x10\0", 6))},
           {"PRIORITY", Frame(test::kPriority, 0, 1, U32(0) + "\x10")},
           {"window crumbs", Frame(test::kWindowUpdate, 0, 1, U32(1))},
           {"connection window crumbs", Frame(test::kWindowUpdate, 0, 0, U32(1))},
           {"window updates of a closed stream",
            Frame(test::kRstStream, 0, 1, U32(8)) + Frame(test::kWindowUpdate, 0, 1, U32(70'000))},
           {"DATA of a closed stream",
            Frame(test::kRstStream, 0, 1, U32(8)) + Frame(test::kData, test::kEndStream, 1, "")},
           {"unknown frames", Frame(0x42, 0, 0, "")},
           {"large unknown frames", Frame(0x42, 0, 1, std::string(100'000, 'x'))},
           {"RST_STREAM of a closed stream", Frame(test::kRstStream, 0, 1, U32(8))},
           {"window overflow", Frame(test::kWindowUpdate, 0, 1, U32(0x7fffffff))},
           {"self-dependent PRIORITY", Frame(test::kPriority, 0, 1, U32(1) + "\x10")},
       }) {
    INFO(c.name);
    Server server;
    REQUIRE(server.Feed(test::ConnectHeaders(1)));
    const Flood flood = FloodWith(server, 20'000, [&](int) { return c.frame; });
    CHECK(flood.count < 5000);
    CHECK(flood.goodbye.find("GOAWAY") != std::string::npos);
  }
}

TEST_CASE("attack: resets that we are made to send") {
  Server server;
  const Flood flood = FloodWith(server, 100'000, [](int i) {
    const auto id = static_cast<std::uint32_t>(2 * i + 1);
    return test::ConnectHeaders(id) + Frame(test::kWindowUpdate, 0, id, U32(0x7fffffff)) +
           Frame(test::kData, 0, id, "x");
  });
  CHECK(flood.count < 10'000);
  CHECK(flood.goodbye.find("GOAWAY") != std::string::npos);
}

TEST_CASE("attack: a header block that unpacks to megabytes") {
  Server server;
  // One field of nearly 4 KiB goes into the table (literal with incremental indexing), then one
  // byte names it again and again.
  std::string block =
      Frame(test::kHeaders, test::kEndHeaders, 1,
            test::Hpack({{":method", "CONNECT"}, {":authority", "a:1"}}) + std::string("\x40") +
                test::HpackString("x") + test::HpackString(std::string(3900, 'v')));
  REQUIRE(server.Feed(block));
  const Flood flood = FloodWith(server, 1000, [](int i) {
    return Frame(
        test::kHeaders, test::kEndHeaders, static_cast<std::uint32_t>(2 * i + 3),
        test::Hpack({{":method", "CONNECT"}, {":authority", "a:1"}}) + std::string(16'000, '\xbe'));
  });
  CHECK(flood.count < 5);
  CHECK(flood.goodbye.find(kCalm) != std::string::npos);
}

TEST_CASE("attack: crumbs of fields") {
  Server server;
  const Flood flood = FloodWith(server, 10'000, [](int i) {
    Fields fields = {{":method", "CONNECT"}, {":authority", "a:1"}};
    for (int k = 0; k < 2000; ++k) fields.emplace_back("cookie", "");
    return test::Headers(static_cast<std::uint32_t>(2 * i + 1), fields);
  });
  CHECK(flood.count < 500);
  CHECK(flood.goodbye.find(kCalm) != std::string::npos);
}

TEST_CASE("attack: a header block without end") {
  Server server;
  REQUIRE(server.Feed(
      Frame(test::kHeaders, 0, 1, test::Hpack({{":method", "CONNECT"}, {":authority", "a:1"}}))));
  const Flood flood = FloodWith(server, 10'000, [](int) {
    return Frame(test::kContinuation, 0, 1, test::Hpack({{"x", "y"}}));
  });
  CHECK(flood.count < 100);
  CHECK(flood.goodbye.find("GOAWAY") != std::string::npos);
}

TEST_CASE("attack: answers that nobody takes") {
  Server server;
  int count = 0;
  while (count < 100'000 && server.Feed(Frame(test::kPing, 0, 0, "12345678"))) ++count;
  CHECK(count < 3000);
}

TEST_CASE("attack: a client lets a download drip through tiny windows") {
  Server server;
  REQUIRE(server.Feed(Frame(test::kSettings, 0, 0, std::string("\0\4\0\0\0\0", 6)) +
                      test::ConnectHeaders(1)));
  REQUIRE(server.session.Respond(1, ResponseHead{200, {}}, EndStream::kNo));
  server.session.Send(1, Chunk::CopyOf(std::string(100'000, 'x')));
  CHECK(server.Frames() == "SETTINGS ack\nHEADERS 1\n");
  const Flood flood =
      FloodWith(server, 100'000, [](int) { return Frame(test::kWindowUpdate, 0, 1, U32(1)); });
  CHECK(flood.count < 10'000);
  CHECK(flood.goodbye.find(kCalm) != std::string::npos);
}

TEST_CASE("attack: more streams than allowed") {
  H2Settings settings;
  settings.max_concurrent_streams = 10;
  Server server(settings);
  const Flood flood = FloodWith(server, 10'000, [](int i) {
    return test::ConnectHeaders(static_cast<std::uint32_t>(2 * i + 1));
  });
  CHECK(server.events.arrived.size() <= 10);
  CHECK(flood.count < 5000);
}

}  // namespace
}  // namespace aquifer::http
