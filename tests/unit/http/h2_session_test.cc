#include "core/http/h2_session.h"

#include <string>
#include <vector>

#include "tests/unit/http/h2_peer.h"

namespace aquifer::http {
namespace {

std::string Read(const std::vector<std::string_view>& pieces) {
  Peer server(H2Role::kServer);
  for (const std::string_view piece : pieces) {
    if (!server.Feed(piece)) return server.events.Story() + "error";
  }
  return server.events.Story();
}

TEST_CASE("a request is the same wherever its bytes are cut") {
  const std::string input =
      test::ClientHello() +
      test::Headers(1, {{":method", "POST"},
                        {":scheme", "http"},
                        {":authority", "a:80"},
                        {":path", "/x?y"},
                        {"accept", "*/*"}}) +
      Frame(test::kData, 0, 1, "hello ") + Frame(0x77, 0, 0, "unknown") +
      Frame(test::kData, 0x8, 1, std::string("\3world\0\0\0", 9)) +
      test::Headers(1, {{"x-sum", "1"}}, test::kEndStream) +
      test::Headers(3, {{":method", "CONNECT"}, {":authority", "b:1"}}, test::kEndStream);
  const std::string story =
      "1 POST http a:80 /x?y accept=*/*\n1 trailers x-sum=1\n1 end\n3 CONNECT  b:1  fin\n3 "
      "end\nbody 1 hello world\n";
  CHECK(Read({input}) == story);
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < input.size(); ++i)
    bytes.push_back(std::string_view(input).substr(i, 1));
  CHECK(Read(bytes) == story);
  for (std::size_t i = 1; i < input.size(); ++i) {
    CHECK(Read({std::string_view(input).substr(0, i), std::string_view(input).substr(i)}) == story);
  }
}

TEST_CASE("a session that is not spoken to in HTTP/2 ends") {
  for (const char* input : {"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "\x16\x03\x01\x02\x00",
                            "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"}) {
    Peer server(H2Role::kServer);
    CHECK_FALSE(server.Feed(input));
  }
  Peer server(H2Role::kServer);
  static_cast<void>(
      server.Feed(std::string(test::kPreface) + Frame(test::kPing, 0, 0, "12345678")));
  CHECK(server.Frames().ends_with("GOAWAY code 1\n"));
  CHECK(server.session.finished());
}

TEST_CASE("payload is a slice of what was fed, and large output is the chunk that was given") {
  Server server;
  const Chunk input =
      Chunk::CopyOf(test::ConnectHeaders(1) + Frame(test::kData, 0, 1, std::string(5000, 'x')));
  REQUIRE(server.session.Feed(input, kStart));
  const std::uint8_t* const in = server.events.last.data();
  CHECK((in > input.data() && in + 5000 == input.data() + input.size()));
  REQUIRE(server.session.Respond(1, ResponseHead{200, {}}, EndStream::kNo));
  Chunk sent = Chunk::CopyOf(std::string(15000, 'y'));
  const std::uint8_t* const payload = sent.data();
  server.session.Send(1, std::move(sent));
  bool found = false;
  for (const Chunk& chunk : server.session.TakeOutput(64 * 1024)) {
    found = found || (payload >= chunk.data() && payload < chunk.data() + chunk.size());
  }
  CHECK(found);
}

TEST_CASE("what HTTP/1 would refuse is refused here, and the connection goes on") {
  const Fields good = {
      {":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
  const auto with = [&](std::string name, std::string value) {
    Fields fields = good;
    for (auto& field : fields) {
      if (field.first == name) {
        field.second = value;
        return fields;
      }
    }
    fields.emplace_back(std::move(name), std::move(value));
    return fields;
  };
  struct Case {
    Fields fields;
    std::string answer;
  };
  const std::string answered = "HEADERS 1 end\n";
  const std::string reset = "RST_STREAM 1 code 1\n";
  for (const Case& c : std::vector<Case>{
           {with("host", "b"), answered},
           {with(":authority", "u@a"), answered},
           {with(":path", "/a#b"), answered},
           {with(":authority", "a/b"), reset},
           {with(":path", "/a b"), reset},
           {with("X-Upper", "1"), reset},
           {with("x y", "1"), reset},
           {with("x", "a\rb"), reset},
           {with("x", std::string("a\0b", 3)), reset},
           {with("x", " a"), reset},
           {with("connection", "close"), reset},
           {with("transfer-encoding", "chunked"), reset},
           {with("te", "gzip"), reset},
           {with(":path", ""), reset},
           {with(":unknown", "1"), reset},
           {with(":status", "200"), reset},
           {with("content-length", "1x"), reset},
           {{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":path", "/"}}, reset},
           {{{":method", "CONNECT"}, {":authority", "a:1"}, {":path", "/"}}, reset},
           {{{":method", "CONNECT"},
             {":protocol", "websocket"},
             {":scheme", "http"},
             {":authority", "a"},
             {":path", "/"}},
            reset},
           {{{"x", "y"}, {":method", "GET"}}, reset},
       }) {
    Server server;
    REQUIRE(server.Feed(test::Headers(1, c.fields, test::kEndStream)));
    INFO(test::Hpack(c.fields));
    CHECK(server.Frames() == c.answer);
    CHECK(server.events.arrived.empty());
    REQUIRE(server.Feed(test::Headers(3, with("host", "A"), test::kEndStream)));
    CHECK(server.events.arrived == std::vector<std::int32_t>{3});
  }
}

TEST_CASE("a head over its limits gets a 431 and is not handed on") {
  for (const bool many : {true, false}) {
    Server server;
    Fields fields = {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
    for (int i = 0; i < (many ? 200 : 20); ++i)
      fields.emplace_back("x-" + std::to_string(i), std::string(many ? 1 : 5000, 'v'));
    REQUIRE(server.Feed(test::Headers(1, fields)));
    CHECK(server.Frames() == "HEADERS 1 end\nRST_STREAM 1 code 0\n");
    CHECK(server.events.arrived.empty());
  }
}

TEST_CASE("crumbs of a cookie are joined") {
  Server server;
  REQUIRE(server.Feed(test::Headers(1, {{":method", "GET"},
                                        {":scheme", "http"},
                                        {":authority", "a"},
                                        {":path", "/"},
                                        {"cookie", "a=1"},
                                        {"cookie", "b=2"},
                                        {"cookie", "c=3"}})));
  CHECK(server.events.text == "1 GET http a / cookie=a=1; b=2; c=3\n");
}

TEST_CASE("a response is not overtaken by the reset that follows it") {
  Server server;
  REQUIRE(server.Feed(test::ConnectHeaders(1) + test::ConnectHeaders(3) + test::ConnectHeaders(5)));
  REQUIRE(server.session.Respond(1, ResponseHead{403, {}}, EndStream::kYes));
  server.session.ResetAfterOutput(1, 0);
  CHECK(server.Frames() == "HEADERS 1 end\nRST_STREAM 1 code 0\n");

  HeaderList trailers;
  trailers.Add("x", "y");
  REQUIRE(server.session.Respond(3, ResponseHead{200, {}}, EndStream::kNo));
  server.session.Send(3, Chunk::CopyOf("abc"));
  server.session.EndWithTrailers(3, trailers);
  server.session.ResetAfterOutput(3, 0);
  CHECK(server.Frames() == "HEADERS 3\nDATA 3 3\nHEADERS 3 end\nRST_STREAM 3 code 0\n");

  REQUIRE(server.session.Respond(5, ResponseHead{200, {}}, EndStream::kNo));
  server.session.EndWithTrailers(5, trailers);
  CHECK(server.Frames() == "HEADERS 5\nHEADERS 5 end\n");
}

TEST_CASE("a client opens no more streams than the server allows") {
  H2Settings settings;
  settings.max_concurrent_streams = 2;
  Joined joined(settings);
  CHECK(joined.client.session.available_streams() == 2);
  const std::int32_t first = joined.Open();
  joined.Open();
  RequestHead head;
  head.method = "CONNECT";
  head.authority = "a:1";
  CHECK(joined.client.session.Request(head, EndStream::kNo).error().reason == Reason::kOverload);
  joined.client.session.Reset(first, 8);
  joined.Exchange();
  CHECK(joined.client.session.available_streams() == 1);
}

TEST_CASE("a GOAWAY closes what was not processed and lets the rest end") {
  Joined joined;
  const std::int32_t id = joined.Open();
  joined.server.session.Drain();
  joined.Exchange();
  CHECK(joined.client.session.available_streams() == 0);
  RequestHead head;
  head.method = "CONNECT";
  head.authority = "a:1";
  CHECK(joined.client.session.Request(head, EndStream::kNo).error().reason == Reason::kGoAway);
  joined.client.session.Send(id, Chunk::CopyOf("still"));
  joined.client.session.End(id);
  joined.Exchange();
  CHECK(joined.server.events.bodies[id] == "still");
  CHECK_FALSE(joined.server.session.finished());
  joined.server.session.End(id);
  joined.Exchange();
  CHECK(joined.server.session.finished());
}

// --- attacks: each ends in ENHANCE_YOUR_CALM or in a limit of the protocol's own, and soon
// ----------

TEST_CASE("a broken frame ends the connection, whatever is wrong with it") {
  for (const std::string& frame : std::vector<std::string>{
           Frame(test::kData, 0, 0, "x"), Frame(test::kData, 0, 5, "x"),
           Frame(test::kPing, 0, 0, "1234567"), Frame(test::kPing, 0, 1, "12345678"),
           Frame(test::kSettings, 0, 1, ""), Frame(test::kSettings, 0, 0, "12345"),
           Frame(test::kSettings, test::kAck, 0, "123456"),
           Frame(test::kWindowUpdate, 0, 0, U32(0)),
           Frame(test::kWindowUpdate, 0, 0, U32(0x7fffffff)), Frame(test::kRstStream, 0, 0, U32(1)),
           Frame(test::kRstStream, 0, 7, U32(1)),
           Frame(test::kPushPromise, test::kEndHeaders, 1, U32(2)),
           Frame(test::kContinuation, 0, 1, ""),
           Frame(test::kHeaders, test::kEndHeaders, 2, test::Hpack({{":method", "GET"}})),
           Frame(test::kHeaders, test::kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"),
           Frame(test::kGoAway, 0, 0, "short")}) {
    Server server;
    static_cast<void>(server.Feed(frame));
    INFO(test::Describe(frame));
    CHECK(server.Frames().find("GOAWAY code ") != std::string::npos);
  }
}

TEST_CASE("a method that HTTP/1 does not have is answered with 400") {
  for (const char* method : {"delete", "Delete", "FROB", "connect", "PRI"}) {
    INFO(method);
    Server server;
    REQUIRE(server.Feed(test::Headers(
        1, {{":method", method}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}},
        test::kEndStream)));
    CHECK(server.Frames() == "HEADERS 1 end\n");
    CHECK(server.events.arrived.empty());
  }
}

}  // namespace
}  // namespace aquifer::http
