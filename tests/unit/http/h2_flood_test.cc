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

TEST_CASE("a PING and small window updates with every message of a call are no flood") {
  Server server;
  REQUIRE(server.Feed(test::ConnectHeaders(1)));
  const std::string round = Frame(test::kData, 0, 1, "hello") +
                            Frame(test::kPing, 0, 0, "roundtri") +
                            Frame(test::kWindowUpdate, 0, 0, U32(5));
  for (int i = 0; i < 100'000; ++i) {
    REQUIRE(server.Feed(round));
    server.session.Consume(1, 5, server.now);
    REQUIRE(server.Frames().find("PING ack\n") != std::string::npos);
    server.events.bodies.clear();
  }
  const Flood flood =
      FloodWith(server, 20'000, [](int) { return Frame(test::kPing, 0, 0, "12345678"); });
  CHECK(flood.count < 5000);
  CHECK(flood.goodbye.find(kCalm) != std::string::npos);
}

TEST_CASE("a PING and small window updates for every answer to a call are no flood") {
  Server server;
  REQUIRE(server.Feed(test::ConnectHeaders(1)));
  REQUIRE(server.session.Respond(1, ResponseHead{200, {}}, EndStream::kNo));
  for (int i = 0; i < 30'000; ++i) {
    server.session.Send(1, Chunk::CopyOf("hello"));
    server.Output();
    REQUIRE(server.Feed(Frame(test::kWindowUpdate, 0, 0, U32(5)) +
                        Frame(test::kWindowUpdate, 0, 1, U32(5)) +
                        Frame(test::kPing, 0, 0, "roundtri")));
  }
}

TEST_CASE("attack: streams over a limit that is never acknowledged, by a peer that reads nothing") {
  H2Settings settings;
  settings.max_concurrent_streams = 10;
  Peer server(H2Role::kServer, settings);
  REQUIRE(server.Feed(test::ClientHello()));
  std::uint32_t count = 0;
  while (count < 100'000 && server.Feed(test::ConnectHeaders(2 * count + 1))) ++count;
  CHECK(server.events.arrived.size() == 10);
  CHECK(count < 3000);
}

TEST_CASE("attack: malformed requests by a peer that reads nothing") {
  H2Settings settings;
  settings.max_concurrent_streams = 1'000'000;
  Server server(settings);
  std::uint32_t count = 0;
  while (count < 100'000 &&
         server.Feed(test::Headers(
             2 * count + 1, {{":method", "CONNECT"}, {":authority", "a:1"}, {"bad name", "x"}})))
    ++count;
  CHECK(count < 3000);
}

TEST_CASE("attack: answers in full that nobody takes") {
  Server server;
  std::uint32_t count = 0;
  for (; count < 100'000; ++count) {
    const std::uint32_t id = 2 * count + 1;
    if (!server.Feed(test::ConnectHeaders(id))) break;
    REQUIRE(server.session.Respond(static_cast<std::int32_t>(id), ResponseHead{401, {}},
                                   EndStream::kYes));
    if (!server.Feed(Frame(test::kRstStream, 0, id, U32(8)))) break;
  }
  CHECK(count < 5000);
}

TEST_CASE("attack: header blocks of streams that are gone") {
  Server server;
  REQUIRE(server.Feed(test::ConnectHeaders(1) + Frame(test::kRstStream, 0, 1, U32(8))));
  const std::string field = test::Hpack({{"x", std::string(4000, 'v')}});
  const std::string whole = Frame(test::kHeaders, test::kEndHeaders, 1, field);
  const std::string cut =
      Frame(test::kHeaders, 0, 1, "") + Frame(test::kContinuation, test::kEndHeaders, 1, field);
  const Flood flood = FloodWith(server, 20'000, [&](int i) { return i % 2 == 0 ? whole : cut; });
  CHECK(flood.count < 400);
  CHECK(flood.goodbye.find(kCalm) != std::string::npos);
}

TEST_CASE("the header blocks of honest requests cost nothing, however they are cut") {
  Server server;
  const std::string head = test::Hpack({{":method", "CONNECT"}, {":authority", "a:1"}});
  const std::string rest = test::Hpack({{"x", std::string(600, 'v')}});
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const std::uint32_t id = 2 * i + 1;
    const std::string input = Frame(test::kHeaders, 0, id, head) +
                              Frame(test::kContinuation, 0, id, rest) +
                              Frame(test::kContinuation, test::kEndHeaders, id, rest) +
                              Frame(test::kData, test::kEndStream, id, "x");
    const std::size_t at = i % input.size();
    REQUIRE(server.Feed(std::string_view(input).substr(0, at)));
    REQUIRE(server.Feed(std::string_view(input).substr(at)));
    REQUIRE(server.session.Respond(static_cast<std::int32_t>(id), ResponseHead{200, {}},
                                   EndStream::kYes));
    server.Output();
    server.events.bodies.clear();
  }
  CHECK(server.session.open_streams() == 0);
}

TEST_CASE("a client that tries refused CONNECTs again and again keeps its other tunnels") {
  Joined joined;
  const std::int32_t tunnel = joined.Open();
  RequestHead head;
  head.method = "CONNECT";
  head.authority = "10.0.0.1:80";
  for (int i = 0; i < 30'000; ++i) {
    const Result<std::int32_t> id = joined.client.session.Request(head, EndStream::kNo);
    REQUIRE(id.ok());
    joined.Exchange();
    REQUIRE(joined.server.session.Respond(*id, ResponseHead{401, {}}, EndStream::kYes));
    joined.server.session.ResetAfterOutput(*id, NGHTTP2_NO_ERROR);
    // Half of the time the client's own reset crosses the answer.
    if (i % 2 == 0) joined.client.session.Reset(*id, NGHTTP2_CANCEL);
    joined.Exchange();
    joined.server.events.text.clear();
    joined.client.events.text.clear();
  }
  joined.client.session.Send(tunnel, Chunk::CopyOf("still there"));
  joined.Exchange();
  CHECK(joined.server.events.bodies[tunnel] == "still there");
}

TEST_CASE("a client whose answers cross its resets keeps the connection") {
  Joined joined;
  RequestHead head;
  head.method = "GET";
  head.scheme = "http";
  head.authority = "a";
  head.path = "/";
  for (int i = 0; i < 30'000; ++i) {
    const Result<std::int32_t> id = joined.client.session.Request(head, EndStream::kYes);
    REQUIRE(id.ok());
    joined.Exchange();
    ResponseHead answer{200, {}};
    REQUIRE(answer.headers.Add("x", std::string(500, 'v')));
    REQUIRE(joined.server.session.Respond(*id, answer, EndStream::kNo));
    HeaderList trailers;
    REQUIRE(trailers.Add("grpc-status", "0"));
    joined.server.session.EndWithTrailers(*id, std::move(trailers));
    joined.client.session.Reset(*id, NGHTTP2_CANCEL);
    joined.Exchange();
    joined.server.events.text.clear();
    joined.client.events.text.clear();
  }
}

TEST_CASE("attack: rapid reset with a byte of a body") {
  Server server;
  const Flood flood = FloodWith(server, 100'000, [](int i) {
    const auto id = static_cast<std::uint32_t>(2 * i + 1);
    return test::ConnectHeaders(id) + Frame(test::kData, 0, id, "x") +
           Frame(test::kRstStream, 0, id, U32(8));
  });
  CHECK(flood.count < 10'000);
  CHECK(flood.goodbye.find(kCalm) != std::string::npos);
}

TEST_CASE("attack: rapid reset that calls itself an end") {
  Server server;
  const Flood flood = FloodWith(server, 100'000, [](int i) {
    const auto id = static_cast<std::uint32_t>(2 * i + 1);
    return test::Headers(
               id, {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}},
               test::kEndStream) +
           Frame(test::kRstStream, 0, id, U32(0));
  });
  CHECK(flood.count < 10'000);
  CHECK(flood.goodbye.find(kCalm) != std::string::npos);
}

}  // namespace
}  // namespace aquifer::http
