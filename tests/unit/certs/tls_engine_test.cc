#include "certs/tls_engine.h"

#include <random>

#include "tests/unit/certs/raw_client.h"

namespace aquifer::certs {
namespace {

using State = TlsEngine::State;
using test::CheckRefused;
using test::FeedBytes;
using test::Handshake;
using test::kClientId;
using test::kServerId;
using test::Move;
using test::NewClient;
using test::NewServer;
using test::OpenAll;
using test::Pattern;
using test::TakeBytes;

TEST_CASE("client and server know each other after the handshake") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  REQUIRE(client.state() == State::kOpen);
  REQUIRE(server.state() == State::kOpen);
  CHECK(client.peer() == kServerId);
  CHECK(server.peer() == kClientId);
  CHECK(client.protocol() == "h2");
  CHECK(server.protocol() == "h2");
}

TEST_CASE("the hybrid group and AES-256-GCM are chosen between two of us") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  CHECK(client.group() == "X25519MLKEM768");
  CHECK(client.suite() == "TLS_AES_256_GCM_SHA384");
  CHECK(server.group() == "X25519MLKEM768");
}

TEST_CASE("the handshake works when bytes come one by one") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server, 1);
  REQUIRE(client.state() == State::kOpen);
  REQUIRE(server.state() == State::kOpen);
}

TEST_CASE("each flight of the handshake may be cut at any offset") {
  TlsEngine probe = NewClient();
  probe.Step();
  const size_t hello_bytes = TakeBytes(probe).size();
  // The offsets also fall into the later, longer flights; steps of a prime keep the test short.
  for (size_t cut = 1; cut < hello_bytes + 2000; cut += 37) {
    CAPTURE(cut);
    TlsEngine client = NewClient();
    TlsEngine server = NewServer();
    client.Step();
    for (int flight = 0; flight < 6; ++flight) {
      TlsEngine& from = flight % 2 == 0 ? client : server;
      TlsEngine& to = flight % 2 == 0 ? server : client;
      const std::string bytes = TakeBytes(from);
      if (bytes.empty()) continue;
      FeedBytes(to, std::string_view(bytes).substr(0, cut));
      if (cut < bytes.size()) FeedBytes(to, std::string_view(bytes).substr(cut));
    }
    REQUIRE(client.state() == State::kOpen);
    REQUIRE(server.state() == State::kOpen);
  }
}

TEST_CASE("plaintext of every size arrives as it was sent, in both directions") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  for (const size_t size : {1, 2, 100, 16383, 16384, 16385, 65536, 65537, 300000}) {
    CAPTURE(size);
    const std::string text = Pattern(size);
    REQUIRE(client.Seal(AsBytes(text)));
    Move(client, server);
    CHECK(OpenAll(server) == text);
    REQUIRE(server.Seal(AsBytes(text)));
    Move(server, client);
    CHECK(OpenAll(client) == text);
  }
}

TEST_CASE("plaintext arrives when its records come one byte at a time") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  const std::string text = Pattern(40000);
  REQUIRE(client.Seal(AsBytes(text)));
  std::string got;
  for (const char byte : TakeBytes(client)) {
    server.Feed(Chunk::CopyOf(std::string_view(&byte, 1)));
    got += OpenAll(server);
  }
  CHECK(got == text);
}

TEST_CASE("records may be cut at every offset") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  const std::string text = Pattern(50);
  const size_t wire_bytes = 2 * (text.size() + 22);
  for (size_t cut = 0; cut <= wire_bytes; ++cut) {
    CAPTURE(cut);
    REQUIRE(client.Seal(AsBytes(text)));
    REQUIRE(client.Seal(AsBytes(text)));
    const std::string wire = TakeBytes(client);
    REQUIRE(wire.size() == wire_bytes);
    server.Feed(Chunk::CopyOf(std::string_view(wire).substr(0, cut)));
    std::string got = OpenAll(server);
    server.Feed(Chunk::CopyOf(std::string_view(wire).substr(cut)));
    got += OpenAll(server);
    CHECK(got == text + text);
  }
}

TEST_CASE("random cuts and sizes lose nothing") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  std::string sent;
  std::string got;
  std::string wire;
  for (int round = 0; round < 200; ++round) {
    const std::string text = Pattern(random() % 40000);
    REQUIRE(client.Seal(AsBytes(text)));
    sent += text;
    wire += TakeBytes(client);
    const size_t cut = random() % (wire.size() + 1);
    server.Feed(Chunk::CopyOf(std::string_view(wire).substr(0, cut)));
    wire.erase(0, cut);
    got += OpenAll(server);
  }
  server.Feed(Chunk::CopyOf(wire));
  got += OpenAll(server);
  CHECK(got == sent);
}

TEST_CASE("a large write becomes few large chunks of full records") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  const std::string text = Pattern(256 * 1024);
  REQUIRE(client.Seal(AsBytes(text)));
  const std::vector<Chunk> output = client.TakeOutput();
  CHECK(output.size() <= 5);
  size_t bytes = 0;
  for (const Chunk& chunk : output) bytes += chunk.size();
  CHECK(bytes == text.size() + 16 * 22);
}

std::vector<Chunk> Chunks(std::initializer_list<size_t> sizes, std::string& all) {
  std::vector<Chunk> chunks;
  for (const size_t size : sizes) {
    const std::string text = Pattern(size);
    all += text;
    chunks.push_back(Chunk::CopyOf(text));
  }
  return chunks;
}

TEST_CASE("chunks sealed together arrive in order, whatever their sizes") {
  const std::initializer_list<size_t> cases[] = {
      {},
      {0, 0},
      {1},
      {9, 16384},
      {16393, 16393, 16393, 16393, 16393, 16393, 16393, 16393},
      {1024, 1024, 1024, 1024, 1024, 1024},
      {1025, 9, 1025, 9},
      {9, 9, 9, 9, 100000, 9, 9},
      {4000, 4000, 16385, 0, 16385, 64, 65, 16384 + 64, 16384 + 65, 1},
  };
  for (const auto& sizes : cases) {
    TlsEngine client = NewClient();
    TlsEngine server = NewServer();
    Handshake(client, server);
    std::string sent;
    std::vector<Chunk> chunks = Chunks(sizes, sent);
    REQUIRE(client.SealMany(chunks));
    Move(client, server);
    CHECK(OpenAll(server) == sent);
  }
}

TEST_CASE("a frame header in front of each payload does not cost a record of its own") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  std::string sent;
  std::vector<Chunk> chunks = Chunks({16393, 16393, 16393, 16393}, sent);
  REQUIRE(client.SealMany(chunks));
  CHECK(TakeBytes(client).size() == sent.size() + 5 * 22);
}

TEST_CASE("plaintext takes no more memory than it needs") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  REQUIRE(client.Seal(AsBytes("hello")));
  Move(client, server);
  const Chunk chunk = server.Open();
  CHECK(chunk.text() == "hello");
  CHECK(chunk.footprint() < 1024);
}

TEST_CASE("a record that comes in crumbs does not hold a buffer for each crumb") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  const std::string text = Pattern(16384);
  REQUIRE(client.Seal(AsBytes(text)));
  const std::string wire = TakeBytes(client);
  size_t held = 0;
  for (const char byte : wire) {
    Chunk crumb = Chunk::Allocate(Block::kReadBytes);
    crumb.Append(AsBytes(std::string_view(&byte, 1)));
    server.Feed(std::move(crumb));
    held = std::max(held, server.held_bytes());
  }
  CHECK(OpenAll(server) == text);
  CHECK(held < 3 * Block::kReadBytes);
}

TEST_CASE("close_notify ends one direction and leaves the other open") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  REQUIRE(client.Seal(AsBytes("last words")));
  client.Close();
  CHECK(client.closed());
  CHECK(!client.Seal(AsBytes("more")));
  Move(client, server);
  CHECK(OpenAll(server) == "last words");
  CHECK(server.state() == State::kPeerClosed);
  REQUIRE(server.Seal(AsBytes("answer")));
  Move(server, client);
  CHECK(OpenAll(client) == "answer");
  server.Close();
  Move(server, client);
  CHECK(OpenAll(client).empty());
  CHECK(client.state() == State::kPeerClosed);
}

TEST_CASE("bytes behind close_notify are not looked at") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  client.Close();
  server.Feed(Chunk::CopyOf(TakeBytes(client) + "garbage"));
  CHECK(OpenAll(server).empty());
  CHECK(server.state() == State::kPeerClosed);
}

TEST_CASE("the end of the transport between records ends the peer's direction") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  server.FeedEnd();
  CHECK(server.state() == State::kPeerClosed);
}

TEST_CASE("the end of the transport inside a record is a failure") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  REQUIRE(client.Seal(AsBytes("hello")));
  const std::string wire = TakeBytes(client);
  server.Feed(Chunk::CopyOf(std::string_view(wire).substr(0, wire.size() - 1)));
  CHECK(OpenAll(server).empty());
  server.FeedEnd();
  CheckRefused(server, Reason::kPeerClosed);
}

TEST_CASE("the end of the transport during the handshake is a failure") {
  TlsEngine server = NewServer();
  server.FeedEnd();
  CheckRefused(server, Reason::kPeerClosed);
}

TEST_CASE("keys are replaced after as many records as one key may seal") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  client.set_records_per_key(4);
  std::string got;
  size_t wire_bytes = 0;
  for (int i = 0; i < 20; ++i) {
    REQUIRE(client.Seal(AsBytes("0123456789")));
    const std::string wire = TakeBytes(client);
    wire_bytes += wire.size();
    server.Feed(Chunk::CopyOf(wire));
    got += OpenAll(server);
  }
  CHECK(got.size() == 200);
  CHECK(wire_bytes > 20 * 32);  // some KeyUpdates were among them
  CHECK(server.state() == State::kOpen);
}

TEST_CASE("nothing can be sent before the handshake is over") {
  TlsEngine client = NewClient();
  CHECK(!client.Seal(AsBytes("x")));
  client.Close();
  CHECK(TakeBytes(client).empty());
}

}  // namespace
}  // namespace aquifer::certs
