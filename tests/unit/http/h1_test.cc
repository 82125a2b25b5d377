#include "core/http/h1.h"

#include <string>
#include <vector>

#include "core/http/h1_writer.h"
#include "tests/support/catch.h"

namespace aquifer::http {
namespace {

using std::string_literals::operator""s;

// Everything a reader says about `input` as one text, with the body's pieces joined, so that it
// does not depend on where input was cut.
class Transcript {
 public:
  Transcript(H1Role role, const H1Limits& limits)
      : client_(role == H1Role::kClient), reader_(role, limits) {}

  void Feed(std::string_view input) {
    if (tunnel_) text_ += input;
    if (over_) return;
    reader_.Feed(Chunk::CopyOf(input));
    Run();
  }
  std::string Finish() {
    if (!over_) {
      reader_.FeedEnd();
      Run();
    }
    return text_;
  }
  void ExpectNext(std::string_view method) { methods_.emplace_back(method); }

 private:
  void Run() {
    while (!over_) {
      if (reading_response_ && !methods_.empty()) {
        reader_.ExpectResponse(methods_.front(), true);
        methods_.erase(methods_.begin());
        reading_response_ = false;
      }
      const H1Event event = reader_.Next();
      if (event == H1Event::kNeedInput) return;
      if (event != H1Event::kBody) FlushBody();
      Tell(event);
    }
  }
  void FlushBody() {
    if (!body_.empty()) text_ += "body " + body_ + "\n";
    body_.clear();
  }
  void Tell(H1Event event) {
    switch (event) {
      case H1Event::kHead:
        TellHead();
        break;
      case H1Event::kBody:
        body_ += reader_.TakeBody().text();
        break;
      case H1Event::kEnd:
        for (const HeaderField field : reader_.trailers()) Tell("trailer", field);
        text_ += reader_.keep_alive() ? "end\n" : "end close\n";
        reading_response_ = true;
        over_ = !reader_.keep_alive();
        break;
      case H1Event::kTunnel:
        text_ += "tunnel " + std::string(reader_.TakeRest().text());
        over_ = tunnel_ = true;
        break;
      case H1Event::kClosed:
        text_ += "closed\n";
        over_ = true;
        break;
      case H1Event::kError:
        text_ += (reader_.error().truncated ? "truncated " : "error ") +
                 std::to_string(reader_.error().status) + "\n";
        over_ = true;
        break;
      case H1Event::kNeedInput:
        break;
    }
  }
  void TellHead() {
    const BodyLength length = reader_.body();
    static constexpr const char* kKinds[] = {"none", "length", "chunked", "close"};
    if (!client_) {
      const RequestHead head = reader_.TakeRequest();
      text_ += head.method + " [" + head.scheme + "] [" + head.authority + "] [" + head.path + "]";
      for (const HeaderField field : head.headers)
        fields_ += "  " + std::string(field.name) + "=" + std::string(field.value) + "\n";
    } else {
      const ResponseHead head = reader_.TakeResponse();
      text_ += std::to_string(head.status);
      for (const HeaderField field : head.headers)
        fields_ += "  " + std::string(field.name) + "=" + std::string(field.value) + "\n";
    }
    text_ += " "s + kKinds[static_cast<int>(length.kind)];
    if (length.kind == BodyKind::kLength) text_ += std::to_string(length.length);
    if (reader_.expects_continue()) text_ += " continue";
    if (reader_.asks_for_upgrade()) text_ += " upgrade";
    text_ += "\n" + fields_;
    fields_.clear();
  }
  void Tell(std::string_view what, HeaderField field) {
    text_ +=
        std::string(what) + " " + std::string(field.name) + "=" + std::string(field.value) + "\n";
  }

  const bool client_;
  H1Reader reader_;
  std::vector<std::string> methods_;
  bool reading_response_ = true;
  bool over_ = false;
  bool tunnel_ = false;
  std::string text_;
  std::string body_;
  std::string fields_;
};

struct Setup {
  H1Role role = H1Role::kServer;
  std::vector<std::string> methods;  // that responses answer
  H1Limits limits;
};

std::string Read(const Setup& setup, const std::vector<std::string_view>& pieces) {
  Transcript transcript(setup.role, setup.limits);
  for (const std::string& method : setup.methods) transcript.ExpectNext(method);
  for (const std::string_view piece : pieces) transcript.Feed(piece);
  return transcript.Finish();
}

// Whole, byte by byte and cut at every offset: the answer must be the same.
std::string ReadEveryWay(const Setup& setup, std::string_view input) {
  const std::string whole = Read(setup, {input});
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < input.size(); ++i) bytes.push_back(input.substr(i, 1));
  CHECK(Read(setup, bytes) == whole);
  for (std::size_t i = 1; i < input.size(); ++i) {
    const std::string cut = Read(setup, {input.substr(0, i), input.substr(i)});
    if (cut != whole) {
      INFO("cut at " << i);
      CHECK(cut == whole);
    }
  }
  return whole;
}

std::string Requests(std::string_view input, const H1Limits& limits = {}) {
  Setup setup;
  setup.limits = limits;
  return ReadEveryWay(setup, input);
}

std::string Responses(std::string_view input, std::vector<std::string> methods = {"GET"}) {
  Setup setup;
  setup.role = H1Role::kClient;
  setup.methods = std::move(methods);
  return ReadEveryWay(setup, input);
}

TEST_CASE("a request without a body is a head and an end") {
  CHECK(Requests("GET /a?b=c HTTP/1.1\r\nHost: x:80\r\nX-Empty:\r\nAccept:  */* \r\n\r\n") ==
        "GET [] [x:80] [/a?b=c] none\n  x-empty=\n  accept=*/*\nend\nclosed\n");
}

TEST_CASE("pipelined requests come one after another") {
  CHECK(Requests("POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"
                 "GET /2 HTTP/1.1\r\nhost: b\r\n\r\n") ==
        "POST [] [a] [/1] length3\n  content-length=3\nbody abc\nend\nGET [] [b] [/2] "
        "none\nend\nclosed\n");
}

TEST_CASE("a chunked body is joined and its trailers are told") {
  CHECK(Requests("POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
                 "3\r\nabc\r\nA;ext=\"v\"\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n") ==
        "POST [] [a] [/] chunked\n  transfer-encoding=Chunked\nbody abc0123456789\ntrailer "
        "x-sum=7\nend\nclosed\n");
}

TEST_CASE("the absolute form overrides Host") {
  CHECK(Requests("GET http://b:8080?q HTTP/1.1\r\nhost: a\r\n\r\n") ==
        "GET [http] [b:8080] [/?q] none\nend\nclosed\n");
  CHECK(Requests("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n") ==
        "OPTIONS [] [a] [*] none\nend\nclosed\n");
  CHECK(Requests("GET * HTTP/1.1\r\nhost: a\r\n\r\n") == "error 400\n");
  CHECK(Requests("GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n") == "error 400\n");
  CHECK(Requests("GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n") == "error 400\n");
}

TEST_CASE("CONNECT opens a tunnel and what follows is not HTTP") {
  CHECK(Requests("CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n\x16\x03\x01 GET") ==
        "CONNECT [] [a:443] [] none\ntunnel \x16\x03\x01 GET");
  CHECK(Requests("CONNECT a HTTP/1.1\r\nhost: a\r\n\r\n") == "error 400\n");
  CHECK(Requests("CONNECT a:1 HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx") == "error 400\n");
}

TEST_CASE("an upgrade is asked for and HTTP goes on until it is granted") {
  CHECK(Requests("GET / HTTP/1.1\r\nhost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
                 "websocket\r\n\r\n"
                 "GET /2 HTTP/1.1\r\nhost: a\r\n\r\n") ==
        "GET [] [a] [/] none upgrade\n  connection=keep-alive, Upgrade\n  upgrade=websocket\nend\n"
        "GET [] [a] [/2] none\nend\nclosed\n");
  CHECK(Requests("POST / HTTP/1.1\r\nhost: a\r\nConnection: Upgrade\r\nUpgrade: "
                 "h2c\r\ncontent-length: 1\r\n\r\nx") ==
        "POST [] [a] [/] length1\n  connection=Upgrade\n  upgrade=h2c\n  content-length=1\nbody "
        "x\nend\nclosed\n");
}

TEST_CASE("a granted upgrade hands over the bytes behind it") {
  CHECK(Responses("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: "
                  "websocket\r\n\r\nraw") ==
        "101 none\n  connection=upgrade\n  upgrade=websocket\ntunnel raw");
  CHECK(Responses("HTTP/1.1 101 X\r\n\r\nraw") == "101 none\ntunnel raw");
  CHECK(Responses("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nraw", {"CONNECT"}) ==
        "200 none\n  content-length=5\ntunnel raw");
}

TEST_CASE("a 101 that nobody asked for is an error") {
  H1Reader reader(H1Role::kClient);
  reader.ExpectResponse("GET", false);
  reader.Feed(Chunk::CopyOf("HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: y\r\n\r\n"));
  CHECK(reader.Next() == H1Event::kError);
}

TEST_CASE("Expect: 100-continue is told with the head, before the body") {
  H1Reader reader(H1Role::kServer);
  reader.Feed(Chunk::CopyOf(
      "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-Continue\r\ncontent-length: 2\r\n\r\n"));
  REQUIRE(reader.Next() == H1Event::kHead);
  CHECK(reader.expects_continue());
  CHECK(reader.Next() == H1Event::kNeedInput);
}

TEST_CASE("keep-alive follows version and Connection") {
  CHECK(Requests("GET / HTTP/1.0\r\n\r\n") == "GET [] [] [/] none\nend close\n");
  CHECK(Requests("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n") ==
        "GET [] [] [/] none\n  connection=Keep-Alive\nend\nclosed\n");
  CHECK(Requests("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n") ==
        "GET [] [a] [/] none\n  connection=close\nend close\n");
}

TEST_CASE("smuggling: a message whose end is in doubt is refused") {
  const std::string post = "POST / HTTP/1.1\r\nhost: a\r\n";
  const std::string end = "\r\n\r\n0\r\n\r\n";
  for (const std::string& fields : std::vector<std::string>{
           "transfer-encoding: chunked\r\ncontent-length: 3",
           "content-length: 3\r\ntransfer-encoding: chunked",
           "content-length: 3\r\ncontent-length: 3",
           "content-length: 3, 3",
           "content-length: +3",
           "content-length: -1",
           "content-length: 0x3",
           "content-length: 3 3",
           "content-length:",
           "content-length: 18446744073709551616",
           "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
           "transfer-encoding: chunked, identity",
           "transfer-encoding: \x0b"
           "chunked",
           "transfer-encoding:",
           "transfer-encoding : chunked",
           " transfer-encoding: chunked",
           "x: y\r\n transfer-encoding: chunked",
           "x: y\r\n\tz",
           "transfer-encoding: chunked\nx: y",
           "x: y\nz: w",
           "x: a\rb",
           "x: a\0b"s,
           "x\0: a"s,
           "x",
           ": y",
           "x y: z",
       }) {
    INFO(fields);
    CHECK(Requests(post + fields + end) == "error 400\n");
  }
  for (const std::string& fields :
       std::vector<std::string>{"transfer-encoding: gzip, chunked", "transfer-encoding: identity",
                                "transfer-encoding: xchunked",
                                "transfer-encoding: gzip\r\ntransfer-encoding: chunked"}) {
    INFO(fields);
    CHECK(Requests(post + fields + end) == "error 501\n");
  }
  CHECK(Requests("POST / HTTP/1.0\r\ntransfer-encoding: chunked" + end) == "error 400\n");
}

TEST_CASE("smuggling: malformed chunks are refused") {
  const std::string head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
  const std::string told = "POST [] [a] [/] chunked\n  transfer-encoding=chunked\n";
  for (const std::string& body :
       std::vector<std::string>{"x\r\n", "\r\n", "-1\r\n", "0x1\r\na\r\n", "1 \r\na\r\n",
                                " 1\r\na\r\n", "1\na\n", "fffffffffffffffff\r\n", "1;\n\r\na\r\n",
                                "0\r\nx: y\n\r\n", "0\r\n\nx", "1\r\r\na\r\n"}) {
    INFO(body);
    CHECK(Requests(head + body) == told + "error 400\n");
  }
  CHECK(Requests(head + "1\r\nab\r\n") == told + "body a\nerror 400\n");
  CHECK(Requests(head + "1\r\na\n0\r\n\r\n") == told + "body a\nerror 400\n");
  CHECK(Requests(head + "0\r\ncontent-length: 5\r\n\r\n") == told + "error 400\n");
  CHECK(Requests(head + "0\r\ntransfer-encoding: chunked\r\n\r\n") == told + "error 400\n");
}

TEST_CASE("a request line is taken literally or not at all") {
  for (const std::string& line : std::vector<std::string>{
           "GET\t/ HTTP/1.1", "GET /a b HTTP/1.1", " GET / HTTP/1.1", "GET HTTP/1.1",
           "get / HTTP/1.1", "G\0ET / HTTP/1.1"s, "GET /\0 HTTP/1.1"s, "GET /\x80 HTTP/1.1",
           "GET /a#b HTTP/1.1", "GET a HTTP/1.1", "GET / http/1.1", "FOO / HTTP/1.1",
           "GET / HTTP/1.1x", "GET / HTTP/1.1 ", "GET / HTTP/1.1\nx: y"}) {
    INFO(line);
    CHECK(Requests(line + "\r\nhost: a\r\n\r\n") == "error 400\n");
  }
}

TEST_CASE("versions other than 1.0 and 1.1 get a 505") {
  for (const std::string& version :
       std::vector<std::string>{"HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.1"}) {
    CHECK(Requests("GET / " + version + "\r\nhost: a\r\n\r\n") == "error 505\n");
  }
  CHECK(Requests("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == "error 505\n");
}

TEST_CASE("a request names exactly one host") {
  CHECK(Requests("GET / HTTP/1.1\r\n\r\n") == "error 400\n");
  CHECK(Requests("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n") == "error 400\n");
  CHECK(Requests("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n") == "error 400\n");
  CHECK(Requests("GET / HTTP/1.1\r\nhost: a@b\r\n\r\n") == "error 400\n");
}

TEST_CASE("a target over its limit gets a 414, a head over its limit a 431, wherever it is cut") {
  H1Limits limits;
  limits.max_target_bytes = 10;
  limits.max_head_bytes = 100;
  CHECK(Requests("GET /123456789 HTTP/1.1\r\nhost: a\r\n\r\n", limits) ==
        "GET [] [a] [/123456789] none\nend\nclosed\n");
  CHECK(Requests("GET /1234567890 HTTP/1.1\r\nhost: a\r\n\r\n", limits) == "error 414\n");
  const std::string head = "GET / HTTP/1.1\r\nhost: a\r\n";
  CHECK(Requests(head + "x: " + std::string(200, 'y') + "\r\n\r\n", limits) == "error 431\n");
  CHECK(Requests(head + "x: " + std::string(200, ' '), limits) == "error 431\n");
  CHECK(Requests(std::string(200, '\r') + head + "\r\n", limits) != "");
  limits.headers.max_fields = 2;
  CHECK(Requests(head + "b: 1\r\nc: 2\r\n\r\n", limits) == "error 431\n");
}

TEST_CASE("a head limit counts each message for itself") {
  H1Limits limits;
  limits.max_head_bytes = 60;
  const std::string request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
  std::string many;
  std::string told;
  for (int i = 0; i < 5; ++i) {
    many += request;
    told += "POST [] [a] [/] length3\n  content-length=3\nbody abc\nend\n";
  }
  CHECK(Requests(many, limits) == told + "closed\n");
}

TEST_CASE("framing without a body does not go on for ever") {
  const std::string head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
  const std::string told = "POST [] [a] [/] chunked\n  transfer-encoding=chunked\n";
  const std::string zeros(100000, '0');
  CHECK(Read({}, {head, zeros}) == told + "error 400\n");
  CHECK(Read({}, {head, "1;" + std::string(100000, 'x')}) == told + "error 400\n");
  std::vector<std::string_view> pieces = {head};
  const std::string costly = "1;" + std::string(1000, 'x') + "\r\na\r\n";
  for (int i = 0; i < 100; ++i) pieces.push_back(costly);
  CHECK(Read({}, pieces).ends_with("error 400\n"));
}

TEST_CASE("many small chunks are fine") {
  std::string input = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100000; ++i) input += "1\r\nx\r\n";
  input += "0\r\n\r\n";
  const std::string told = Read({}, {input});
  CHECK(told.ends_with("x\nend\nclosed\n"));
  CHECK(told.size() > 100000);
}

TEST_CASE("a body longer than its trailers' limit stays a body") {
  std::string input = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
  for (int i = 0; i < 5000; ++i) input += "x" + std::to_string(i) + ": y\r\n";
  CHECK(Read({}, {input}).ends_with("error 431\n"));
}

TEST_CASE("a peer that closes in the middle is told apart from one that closes between") {
  CHECK(Requests("") == "closed\n");
  CHECK(Requests("GET / HT") == "truncated 400\n");
  CHECK(Requests("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab") ==
        "POST [] [a] [/] length3\n  content-length=3\nbody ab\ntruncated 400\n");
  CHECK(Responses("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n") ==
        "200 chunked\n  transfer-encoding=chunked\nbody a\ntruncated 502\n");
}

TEST_CASE("a response without a length lasts until the peer closes") {
  CHECK(Responses("HTTP/1.1 200 OK\r\n\r\nabc") == "200 close\nbody abc\nend close\n");
  CHECK(Responses("HTTP/1.0 200\r\n\r\n") == "200 close\nend close\n");
}

TEST_CASE("interim responses come before the response") {
  CHECK(Responses("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: "
                  "x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n") ==
        "100 none\n103 none\n  link=x\n204 none\nend\nclosed\n");
  CHECK(Responses("HTTP/1.1 150 X\r\ncontent-length: 3\r\n\r\nabc") == "error 502\n");
  std::string flood;
  for (int i = 0; i < 100; ++i) flood += "HTTP/1.1 100 Continue\r\n\r\n";
  CHECK(Read({.role = H1Role::kClient, .methods = {"GET"}, .limits = {}}, {flood})
            .ends_with("error 502\n"));
}

TEST_CASE("HEAD, 204 and 304 have no body whatever they announce") {
  CHECK(
      Responses(
          "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHTTP/1.1 304 X\r\ncontent-length: 9\r\n\r\n"
          "HTTP/1.1 204 X\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
          {"HEAD", "GET", "GET", "HEAD"}) ==
      "200 none\n  content-length=5\nend\n304 none\n  content-length=9\nend\n204 none\nend\n"
      "200 none\n  transfer-encoding=chunked\nend\nclosed\n");
}

TEST_CASE("smuggling: a response with contradicting lengths is refused") {
  for (const std::string& fields : std::vector<std::string>{
           "transfer-encoding: chunked\r\ncontent-length: 3",
           "content-length: 3\r\ncontent-length: 4", "transfer-encoding: gzip",
           "transfer-encoding: chunked\r\ntransfer-encoding: chunked", "x: y\r\n z"}) {
    INFO(fields);
    CHECK(Responses("HTTP/1.1 200 OK\r\n" + fields + "\r\n\r\n0\r\n\r\n") == "error 502\n");
  }
  CHECK(Responses("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
            .ends_with("end\nerror 502\n"));
}

// --- writer
// ----------------------------------------------------------------------------------------

std::string Joined(const H1Writer::Out& out) {
  std::string text;
  for (const Chunk& chunk : out) text += chunk.text();
  return text;
}

RequestHead Get(std::string path) {
  RequestHead head;
  head.method = "GET";
  head.authority = "a:80";
  head.path = std::move(path);
  return head;
}

TEST_CASE("a request is written with its own framing fields only") {
  RequestHead head = Get("/x");
  head.headers.Add("content-length", "99");
  head.headers.Add("transfer-encoding", "gzip");
  head.headers.Add("host", "other");
  head.headers.Add("accept", "*/*");
  H1Writer writer;
  H1Writer::Out out;
  REQUIRE(writer.StartRequest(head, BodyLength::None(), out));
  REQUIRE(writer.End(out));
  CHECK(Joined(out) == "GET /x HTTP/1.1\r\nhost: a:80\r\naccept: */*\r\n\r\n");
}

TEST_CASE("a head that would break out of its line is not written") {
  H1Writer writer;
  H1Writer::Out out;
  for (const char* path : {"", "/a b", "/a\r\nx: y", "/a\nb"})
    CHECK_FALSE(writer.StartRequest(Get(path), BodyLength::None(), out));
  RequestHead head = Get("/");
  head.authority = "a\r\nb: c";
  CHECK_FALSE(writer.StartRequest(head, BodyLength::None(), out));
  head = Get("/");
  head.method = "GET /";
  CHECK_FALSE(writer.StartRequest(head, BodyLength::None(), out));
  CHECK(out.empty());
}

TEST_CASE("a chunked body is framed in place and ends with its trailers") {
  H1Writer writer;
  H1Writer::Out out;
  ResponseHead head;
  head.status = 200;
  REQUIRE(writer.StartResponse(head, BodyLength::Chunked(), {.method = "GET"}, out));
  REQUIRE(writer.Body(Chunk::CopyOf("abc"), out));
  REQUIRE(writer.Body(Chunk::CopyOf(std::string(5000, 'x')), out));
  HeaderList trailers;
  trailers.Add("x-sum", "1");
  trailers.Add("content-length", "3");
  REQUIRE(writer.End(trailers, out));
  CHECK(Joined(out) == "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1388\r\n" +
                           std::string(5000, 'x') + "\r\n0\r\nx-sum: 1\r\n\r\n");
  CHECK(writer.keep_alive());
}

TEST_CASE("a body keeps to the length that was told") {
  H1Writer writer;
  H1Writer::Out out;
  ResponseHead head;
  head.status = 200;
  REQUIRE(writer.StartResponse(head, BodyLength::Of(3), {.method = "GET"}, out));
  CHECK_FALSE(writer.Body(Chunk::CopyOf("abcd"), out));
  REQUIRE(writer.Body(Chunk::CopyOf("ab"), out));
  CHECK_FALSE(writer.End(out));
  REQUIRE(writer.Body(Chunk::CopyOf("c"), out));
  REQUIRE(writer.End(out));
  CHECK(Joined(out) == "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
}

TEST_CASE("a response to HEAD tells the length and sends no body") {
  H1Writer writer;
  H1Writer::Out out;
  ResponseHead head;
  head.status = 200;
  head.headers.Add("content-length", "7");
  REQUIRE(writer.StartResponse(head, BodyLength::None(), {.method = "HEAD"}, out));
  REQUIRE(writer.Body(Chunk::CopyOf("1234567"), out));
  REQUIRE(writer.End(out));
  CHECK(Joined(out) == "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
  out.clear();
  REQUIRE(writer.StartResponse(head, BodyLength::Of(9), {.method = "HEAD"}, out));
  CHECK(Joined(out) == "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
}

TEST_CASE("an HTTP/1.0 client gets a body until close in place of chunks") {
  H1Writer writer;
  H1Writer::Out out;
  ResponseHead head;
  head.status = 200;
  REQUIRE(writer.StartResponse(head, BodyLength::Chunked(), {.method = "GET", .minor_version = 0},
                               out));
  REQUIRE(writer.Body(Chunk::CopyOf("x"), out));
  REQUIRE(writer.End(out));
  CHECK(Joined(out) == "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nx");
  CHECK_FALSE(writer.keep_alive());
}

TEST_CASE("an empty response says so, and 204 needs not") {
  H1Writer writer;
  H1Writer::Out out;
  ResponseHead head;
  head.status = 404;
  REQUIRE(
      writer.StartResponse(head, BodyLength::None(), {.method = "GET", .keep_alive = false}, out));
  CHECK(Joined(out) == "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  out.clear();
  head.status = 204;
  REQUIRE(writer.StartResponse(head, BodyLength::None(), {.method = "GET"}, out));
  CHECK(Joined(out) == "HTTP/1.1 204 No Content\r\n\r\n");
  out.clear();
  head.status = 100;
  REQUIRE(writer.StartResponse(head, BodyLength::None(), {.method = "POST"}, out));
  CHECK(Joined(out) == "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST_CASE("what the writer writes the reader reads") {
  RequestHead head = Get("/round?trip");
  head.method = "POST";
  for (int i = 0; i < 50; ++i)
    head.headers.Add("x-" + std::to_string(i), std::string(static_cast<std::size_t>(i), 'v'));
  H1Writer writer;
  H1Writer::Out out;
  REQUIRE(writer.StartRequest(head, BodyLength::Chunked(), out));
  for (int i = 1; i < 40; ++i)
    REQUIRE(writer.Body(Chunk::CopyOf(std::string(static_cast<std::size_t>(i * 100), 'b')), out));
  REQUIRE(writer.End(out));
  H1Reader reader(H1Role::kServer);
  std::size_t body = 0;
  std::optional<RequestHead> read;
  for (Chunk& chunk : out) {
    reader.Feed(std::move(chunk));
    for (H1Event event = reader.Next(); event != H1Event::kNeedInput; event = reader.Next()) {
      REQUIRE(event != H1Event::kError);
      if (event == H1Event::kHead) read = reader.TakeRequest();
      if (event == H1Event::kBody) body += reader.TakeBody().size();
    }
  }
  REQUIRE(read.has_value());
  read->headers.Remove("transfer-encoding");
  CHECK(*read == head);
  CHECK(body == 78000);
}

}  // namespace
}  // namespace aquifer::http
