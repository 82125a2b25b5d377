#include "core/http/h2_session.h"

#include <string>

#include "tests/unit/http/h2_peer.h"

namespace aquifer::http {
namespace {

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

}  // namespace
}  // namespace aquifer::http
