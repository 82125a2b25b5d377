// What streams of one connection do to each other, and what a gauge that is full changes.
#include <string>

#include "core/http/h2_session.h"
#include "tests/unit/http/h2_peer.h"

namespace aquifer::http {
namespace {

H2Settings Wide() {
  H2Settings settings;
  settings.stream_window_bytes = 8 * 1024 * 1024;
  settings.max_stream_window_bytes = 8 * 1024 * 1024;
  return settings;
}

// Takes output of the client until `done` holds, and says how many bytes that took.
template <class Done>
std::size_t Until(Joined& joined, Done done) {
  std::size_t bytes = 0;
  while (!done()) {
    const std::vector<Chunk> output = joined.client.session.TakeOutput(1);
    REQUIRE_FALSE(output.empty());
    for (const Chunk& chunk : output) {
      bytes += chunk.size();
      REQUIRE(joined.server.Feed(chunk.text()));
    }
  }
  return bytes;
}

TEST_CASE("a small request does not wait for what other streams have queued before it") {
  Joined joined(Wide());
  constexpr int kBulk = 8;
  std::vector<std::int32_t> bulk;
  for (int i = 0; i < kBulk; ++i) bulk.push_back(joined.Open());
  const std::int32_t small = joined.Open();
  for (const std::int32_t id : bulk)
    joined.client.session.Send(id, Chunk::CopyOf(std::string(1'000'000, 'x')));
  auto& bodies = joined.server.events.bodies;
  Until(joined, [&] { return bodies[bulk[0]].size() >= 300'000; });
  joined.client.session.Send(small, Chunk::CopyOf(std::string(100, 'y')));
  // At most one frame of each of the others goes before it.
  CHECK(Until(joined, [&] { return bodies[small].size() == 100; }) <= (kBulk + 1) * 65 * 1024);
}

TEST_CASE("streams with much to say get through side by side") {
  Joined joined(Wide());
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(joined.Open());
  for (const std::int32_t id : ids)
    joined.client.session.Send(id, Chunk::CopyOf(std::string(1'000'000, 'x')));
  auto& bodies = joined.server.events.bodies;
  Until(joined, [&] { return bodies[ids[0]].size() >= 500'000; });
  for (const std::int32_t id : ids) {
    CHECK(bodies[id].size() > 350'000);
    CHECK(bodies[id].size() < 650'000);
  }
}

TEST_CASE("while its gauge is full a connection is given back only what is read") {
  io::BufferPool pool(90'000);
  H2Settings settings;
  settings.stream_window_bytes = 200'000;
  settings.connection_window_bytes = 100'000;
  settings.gauge = std::make_shared<io::BufferGauge>(pool);
  {
    Server server(settings);
    REQUIRE(server.Feed(test::ConnectHeaders(1) + test::ConnectHeaders(3)));
    for (int i = 0; i < 6; ++i)
      REQUIRE(server.Feed(Frame(test::kData, 0, 1, std::string(10'000, 'x'))));
    CHECK(settings.gauge->held() == 60'000);
    CHECK_FALSE(settings.gauge->full());
    CHECK(server.Frames().find("WINDOW_UPDATE code ") != std::string::npos);
    for (int i = 0; i < 9; ++i)
      REQUIRE(server.Feed(Frame(test::kData, 0, 1, std::string(10'000, 'x'))));
    CHECK(settings.gauge->full());
    CHECK(server.Frames() == "");
    server.session.Consume(1, 150'000, kStart);
    CHECK(settings.gauge->held() == 0);
    CHECK(server.Frames().find("WINDOW_UPDATE code ") != std::string::npos);
    // What a stream leaves behind counts no more, and is the connection's again.
    for (int i = 0; i < 9; ++i)
      REQUIRE(server.Feed(Frame(test::kData, 0, 3, std::string(10'000, 'x'))));
    CHECK(settings.gauge->full());
    REQUIRE(server.Feed(Frame(test::kRstStream, 0, 3, U32(8))));
    CHECK(settings.gauge->held() == 0);
    CHECK(server.Frames().find("WINDOW_UPDATE code ") != std::string::npos);
    REQUIRE(server.Feed(Frame(test::kData, 0, 1, std::string(10'000, 'x'))));
    CHECK(settings.gauge->held() == 10'000);
  }
  CHECK(pool.used() == 0);
}

TEST_CASE("what waits for the peer's window counts until it has gone out") {
  io::BufferPool pool(1'000'000);
  H2Settings settings;
  settings.gauge = std::make_shared<io::BufferGauge>(pool);
  Server server(settings);
  REQUIRE(server.Feed(test::ConnectHeaders(1)));
  REQUIRE(server.session.Respond(1, ResponseHead{200, {}}, EndStream::kNo));
  server.session.Send(1, Chunk::CopyOf(std::string(100'000, 'x')));
  CHECK(settings.gauge->held() == 100'000);
  server.Output();
  CHECK(settings.gauge->held() == 100'000 - 65'535);
}

TEST_CASE("what is left to read after the peer's end is counted until it is read") {
  io::BufferPool pool(1'000'000);
  H2Settings settings;
  settings.gauge = std::make_shared<io::BufferGauge>(pool);
  Server server(settings);
  REQUIRE(server.Feed(test::ConnectHeaders(1)));
  REQUIRE(server.session.Respond(1, ResponseHead{200, {}}, EndStream::kNo));
  REQUIRE(server.Feed(Frame(test::kData, test::kEndStream, 1, std::string(10'000, 'x'))));
  CHECK(settings.gauge->held() == 10'000);
  server.session.Consume(1, 10'000, kStart);
  CHECK(settings.gauge->held() == 0);
  CHECK(server.Frames().find("WINDOW_UPDATE 1 ") == std::string::npos);
}

}  // namespace
}  // namespace aquifer::http
