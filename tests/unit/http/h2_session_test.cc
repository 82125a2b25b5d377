#include "core/http/h2_session.h"

#include <map>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/unit/http/h2_frames.h"

namespace aquifer::http {
namespace {

using test::Fields;
using test::Frame;
using test::U32;

const TimePoint kStart = TimePoint{} + std::chrono::hours(1);

// Writes down everything a session says, with the pieces of a body joined.
class Recorder final : public H2Events {
 public:
  void OnRequest(std::int32_t id, RequestHead head, EndStream end) override {
    Line(id) += head.method + " " + head.scheme + " " + head.authority + " " + head.path +
                Tell(head.headers) + Tell(end) + "\n";
    arrived.push_back(id);
  }
  void OnResponse(std::int32_t id, ResponseHead head, EndStream end) override {
    Line(id) += std::to_string(head.status) + Tell(head.headers) + Tell(end) + "\n";
  }
  void OnData(std::int32_t id, Chunk data) override {
    bodies[id] += data.text();
    last = std::move(data);
  }
  void OnTrailers(std::int32_t id, HeaderList trailers) override {
    Line(id) += "trailers" + Tell(trailers) + "\n";
  }
  void OnEnd(std::int32_t id) override { Line(id) += "end\n"; }
  void OnTaken(std::int32_t) override { ++taken; }
  void OnClosed(std::int32_t id, std::uint32_t code) override {
    Line(id) += "closed " + std::to_string(code) + "\n";
  }
  void OnGoAway(std::int32_t last_stream, std::uint32_t code) override {
    text += "goaway " + std::to_string(last_stream) + " " + std::to_string(code) + "\n";
  }

  std::string Story() {
    for (const auto& [id, body] : bodies) text += "body " + std::to_string(id) + " " + body + "\n";
    bodies.clear();
    return text;
  }

  std::string text;
  std::map<std::int32_t, std::string> bodies;
  std::vector<std::int32_t> arrived;
  Chunk last;
  int taken = 0;

 private:
  std::string& Line(std::int32_t id) { return text.append(std::to_string(id)).append(" "); }
  static std::string Tell(const HeaderList& headers) {
    std::string told;
    for (const HeaderField field : headers)
      told += " " + std::string(field.name) + "=" + std::string(field.value);
    return told;
  }
  static std::string Tell(EndStream end) { return end == EndStream::kYes ? " fin" : ""; }
};

struct Peer {
  explicit Peer(H2Role role, const H2Settings& settings = {}) : session(role, settings, events) {}

  Status Feed(std::string_view input) { return session.Feed(Chunk::CopyOf(input), now); }
  std::string Output() {
    std::string all;
    while (true) {
      const std::vector<Chunk> out = session.TakeOutput(64 * 1024);
      if (out.empty()) return all;
      for (const Chunk& chunk : out) all += chunk.text();
    }
  }
  std::string Frames() { return test::Describe(Output()); }

  Recorder events;
  H2Session session;
  TimePoint now = kStart;
};

// A server that has had its peer's preface and has said its own.
struct Server : Peer {
  explicit Server(const H2Settings& settings = {}) : Peer(H2Role::kServer, settings) {
    REQUIRE(Feed(test::ClientHello() + Frame(test::kSettings, test::kAck, 0, "")));
    Output();
  }
};

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

TEST_CASE("the connection's window comes back at once, a stream's only as it is read") {
  H2Settings settings;
  settings.stream_window_bytes = 10000;
  settings.connection_window_bytes = 65535;
  Server server(settings);
  REQUIRE(server.Feed(test::ConnectHeaders(1)));
  for (int i = 0; i < 10; ++i)
    REQUIRE(server.Feed(Frame(test::kData, 0, 1, std::string(1000, 'x'))));
  CHECK(server.Frames() == "");
  server.session.Consume(1, 6000, kStart);
  CHECK(server.Frames().starts_with("WINDOW_UPDATE 1 "));
  server.session.Consume(1, 4000, kStart);
  for (std::uint32_t id = 3; id < 11; id += 2) {
    REQUIRE(server.Feed(test::ConnectHeaders(id)));
    for (int i = 0; i < 10; ++i)
      REQUIRE(server.Feed(Frame(test::kData, 0, id, std::string(1000, 'x'))));
  }
  CHECK(server.Frames().find("WINDOW_UPDATE code ") != std::string::npos);
}

TEST_CASE("a peer that overruns a stream's window has that stream reset") {
  H2Settings settings;
  settings.stream_window_bytes = 1000;
  Server server(settings);
  REQUIRE(server.Feed(test::ConnectHeaders(1) + test::ConnectHeaders(3)));
  REQUIRE(server.Feed(Frame(test::kData, 0, 1, std::string(1001, 'x'))));
  CHECK(server.Frames() == "RST_STREAM 1 code 3\n");
  CHECK(server.events.text.find("1 closed") != std::string::npos);
}

// The two ends joined; what one says the other hears until both are silent.
struct Joined {
  explicit Joined(const H2Settings& settings = {})
      : client(H2Role::kClient, settings), server(H2Role::kServer, settings) {
    Exchange();
  }
  std::size_t Exchange() {
    std::size_t moved = 0;
    while (true) {
      const std::string up = client.Output();
      const std::string down = server.Output();
      if (up.empty() && down.empty()) return moved;
      moved += up.size() + down.size();
      if (!up.empty()) REQUIRE(server.Feed(up));
      if (!down.empty()) REQUIRE(client.Feed(down));
    }
  }
  std::int32_t Open() {
    RequestHead head;
    head.method = "CONNECT";
    head.authority = "10.0.0.1:80";
    const Result<std::int32_t> id = client.session.Request(head, EndStream::kNo);
    REQUIRE(id.ok());
    Exchange();
    REQUIRE(server.session.Respond(*id, ResponseHead{200, {}}, EndStream::kNo));
    Exchange();
    return *id;
  }

  Peer client;
  Peer server;
};

// How much a client gets through on a stream that nobody reads.
std::size_t Fill(Joined& joined, std::int32_t id) {
  const std::size_t before = joined.server.events.bodies[id].size();
  joined.client.session.Send(id, Chunk::CopyOf(std::string(8'000'000, 'x')));
  joined.Exchange();
  return joined.server.events.bodies[id].size() - before;
}

TEST_CASE("a window grows for a reader that keeps pace, within the connection's means") {
  H2Settings settings;
  settings.stream_window_bytes = 100'000;
  settings.max_stream_window_bytes = 1'000'000;
  settings.window_growth_bytes = 1'500'000;
  Joined joined(settings);
  const std::int32_t idle = joined.Open();
  CHECK(Fill(joined, idle) == 100'000);
  std::size_t held = 0;
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 3; ++i) {
    const std::int32_t id = joined.Open();
    ids.push_back(id);
    std::string& got = joined.server.events.bodies[id];
    for (std::size_t read = 0; read < 6'000'000;) {
      joined.client.session.Send(id, Chunk::CopyOf(std::string(50'000, 'x')));
      joined.Exchange();
      joined.server.session.Consume(id, got.size(), joined.server.now);
      read += got.size();
      got.clear();
      joined.Exchange();
    }
    held += Fill(joined, id);
  }
  CHECK(held > 1'000'000);
  CHECK(held <= 3 * 100'000 + 1'500'000);
  for (const std::int32_t id : ids) joined.client.session.Reset(id, 8);
  joined.Exchange();
  CHECK(Fill(joined, joined.Open()) == 100'000);
}

TEST_CASE("a window does not grow for a reader that takes its time") {
  H2Settings settings;
  settings.stream_window_bytes = 100'000;
  Joined joined(settings);
  const std::int32_t id = joined.Open();
  std::string& got = joined.server.events.bodies[id];
  for (int i = 0; i < 100; ++i) {
    joined.client.session.Send(id, Chunk::CopyOf(std::string(50'000, 'x')));
    joined.Exchange();
    joined.server.now += std::chrono::seconds(1);
    joined.server.session.Consume(id, got.size(), joined.server.now);
    got.clear();
    REQUIRE(joined.server.Feed(Frame(test::kWindowUpdate, 0, 0, U32(2000))));
    joined.Exchange();
  }
  CHECK(Fill(joined, id) == 100'000);
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

}  // namespace
}  // namespace aquifer::http
