#include "core/http/h1.h"

#include <string>
#include <vector>

#include "tests/unit/http/h1_transcript.h"

namespace aquifer::http {
namespace {

TEST_CASE("a request without a body is a head and an end") {
  CHECK(Requests("GET /a?b=c HTTP/1.1\r\nHost: x:80\r\nX-Empty:\r\nAccept:  */* \r\n\r\n") ==
        "GET [] [x:80] [/a?b=c] none\n  x-empty=\n  accept=*/*\nend\nclosed\n");
}

TEST_CASE("the methods are those of the table and no others") {
  for (const char* method :
       {"GET", "DELETE", "M-SEARCH", "SOURCE", "QUERY", "PATCH", "ACL", "delete", "Get", "G",
        "GETS", "PRI", "DESCRIBE", "PLAY", "FLUSH", "FROB"}) {
    INFO(method);
    const bool taken = !Requests(method + " / HTTP/1.1\r\nhost: a\r\n\r\n"s).starts_with("error");
    CHECK(taken == IsMethod(method));
  }
  CHECK(IsMethod("CONNECT"));
  CHECK_FALSE(IsMethod(""));
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

}  // namespace
}  // namespace aquifer::http
