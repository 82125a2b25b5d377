#include "core/http/h1_writer.h"

#include <string>

#include "tests/unit/http/h1_transcript.h"

namespace aquifer::http {
namespace {

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
