#include "certs/tls_engine.h"

#include <openssl/err.h>

#include <optional>
#include <random>

#include "absl/strings/escaping.h"
#include "tests/unit/certs/record_forger.h"
#include "tests/unit/certs/support.h"

namespace aquifer::certs {
namespace {

using namespace std::string_view_literals;
using State = TlsEngine::State;
using test::FeedBytes;
using test::Handshake;
using test::kClientId;
using test::kNow;
using test::kServerId;
using test::Move;
using test::NewClient;
using test::NewServer;
using test::OpenAll;
using test::SharedCa;
using test::TakeBytes;

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 31 % 26);
  return text;
}

// The state of both after a handshake of the given engines, server's first.
void CheckRefused(const TlsEngine& engine, Reason reason) {
  CHECK(engine.state() == State::kFailed);
  CHECK(engine.failure().error.reason == reason);
  CHECK(!engine.failure().detail.empty());
}

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

TEST_CASE("a changed byte anywhere in a record is noticed") {
  for (const size_t at : {0, 1, 3, 4, 5, 20, 26}) {
    CAPTURE(at);
    TlsEngine client = NewClient();
    TlsEngine server = NewServer();
    Handshake(client, server);
    REQUIRE(client.Seal(AsBytes("hello")));
    std::string wire = TakeBytes(client);
    wire[at] = static_cast<char>(wire[at] ^ 0x40);
    server.Feed(Chunk::CopyOf(wire));
    CHECK(OpenAll(server).empty());
    if (server.state() == State::kOpen) {  // a longer length waits for the rest
      server.Feed(Chunk::CopyOf(std::string(17000, 'x')));
      CHECK(OpenAll(server).empty());
    }
    CheckRefused(server, Reason::kTlsFailed);
    CHECK(server.has_output());  // the alert
  }
}

TEST_CASE("a record longer than TLS allows is refused from its header alone") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  server.Feed(Chunk::CopyOf(std::string_view("\x17\x03\x03\x41\x01", 5)));
  CHECK(OpenAll(server).empty());
  CheckRefused(server, Reason::kTlsFailed);
}

TEST_CASE("a server of the expected identity is required") {
  TlsEngine client(test::ClientContext(), OneOf{{kClientId}}, kNow);
  TlsEngine server = NewServer();
  Handshake(client, server);
  CheckRefused(client, Reason::kIdentityMismatch);
  CHECK(client.failure().detail.find(kServerId.ToString()) != std::string::npos);
  CHECK(server.state() == State::kFailed);
}

TEST_CASE("a waypoint may be anyone of the trust domain") {
  TlsEngine client(test::ClientContext(), InTrustDomain{"cluster.local"}, kNow);
  TlsEngine server = NewServer();
  Handshake(client, server);
  CHECK(client.state() == State::kOpen);
}

TEST_CASE("a client of a foreign trust domain is refused") {
  const auto context = TlsContext::MeshClient(SharedCa().Bundle({"other.local", "a", "b"}));
  TlsEngine client(context, OneOf{{kServerId}}, kNow);
  TlsEngine server = NewServer();
  Handshake(client, server);
  CheckRefused(server, Reason::kIdentityMismatch);
  CHECK(OpenAll(client).empty());  // the alert comes after the client's own handshake
  CheckRefused(client, Reason::kTlsFailed);
  CHECK(client.failure().detail == "the peer sent alert \"access denied\"");
}

TEST_CASE("a client with two URIs in its certificate is refused") {
  const auto context = TlsContext::MeshClient(
      SharedCa().RawUris({kClientId.ToString(), "spiffe://cluster.local/ns/a/sa/admin"}));
  TlsEngine client(context, OneOf{{kServerId}}, kNow);
  TlsEngine server = NewServer();
  Handshake(client, server);
  CheckRefused(server, Reason::kTlsFailed);
}

TEST_CASE("a client of another CA is refused") {
  const auto context = TlsContext::MeshClient(
      test::TestCa::WithRoots(test::OtherCa().Bundle(kClientId), SharedCa().roots()));
  TlsEngine client(context, OneOf{{kServerId}}, kNow);
  TlsEngine server = NewServer();
  Handshake(client, server);
  CheckRefused(server, Reason::kTlsFailed);
}

TEST_CASE("a client without a certificate is refused") {
  const auto context = TlsContext::HostClient(SharedCa().roots());
  TlsEngine client(context, OneOf{{kServerId}}, kNow);
  TlsEngine server = NewServer();
  Handshake(client, server);
  CheckRefused(server, Reason::kTlsFailed);
  CHECK(server.failure().detail == "PEER_DID_NOT_RETURN_A_CERTIFICATE");
}

TEST_CASE("an expired client is refused, and so is an expired server") {
  TlsEngine late_client(test::ClientContext(), OneOf{{kServerId}}, kNow + 2 * test::kDay);
  TlsEngine server = NewServer();
  Handshake(late_client, server);
  CheckRefused(late_client, Reason::kTlsFailed);
  TlsEngine client = NewClient();
  TlsEngine late_server(test::ServerContext(), InTrustDomain{"cluster.local"}, kNow + 2 * test::kDay);
  Handshake(client, late_server);
  CheckRefused(late_server, Reason::kTlsFailed);
}

// A client of the library itself, for what our own contexts never do.
class RawClient {
 public:
  explicit RawClient(SSL_CTX* context) : ssl_(SSL_new(context)) {
    SSL_set_bio(ssl_.get(), in_.release(), out_.release());
    SSL_set_connect_state(ssl_.get());
    SSL_set_custom_verify(ssl_.get(), SSL_VERIFY_NONE,
                          [](SSL*, std::uint8_t*) { return ssl_verify_ok; });
  }
  SSL* ssl() { return ssl_.get(); }
  int Handshake(TlsEngine& server) {
    int result = 0;
    for (int turn = 0; turn < 4 && result != 1; ++turn) {
      result = SSL_do_handshake(ssl_.get());
      Send(server);
      Receive(server);
    }
    Send(server);
    return result;
  }
  void Send(TlsEngine& server) {
    const std::uint8_t* bytes = nullptr;
    size_t size = 0;
    REQUIRE(BIO_mem_contents(SSL_get_wbio(ssl_.get()), &bytes, &size));
    if (size > 0) FeedBytes(server, AsText({bytes, size}));
    BIO_reset(SSL_get_wbio(ssl_.get()));
  }
  void Receive(TlsEngine& server) {
    const std::string bytes = TakeBytes(server);
    if (!bytes.empty()) BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
  }

 private:
  bssl::UniquePtr<BIO> in_{BIO_new(BIO_s_mem())};
  bssl::UniquePtr<BIO> out_{BIO_new(BIO_s_mem())};
  bssl::UniquePtr<SSL> ssl_;
};

// With the mesh client's certificate but no rules of ours.
bssl::UniquePtr<SSL_CTX> RawContext() {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_with_buffers_method()));
  const CertificateBundle own = SharedCa().Bundle(kClientId);
  bssl::UniquePtr<SSL_CREDENTIAL> credential(SSL_CREDENTIAL_new_x509());
  CRYPTO_BUFFER* chain[] = {own.chain()[0].get()};
  REQUIRE(SSL_CREDENTIAL_set1_cert_chain(credential.get(), chain, 1));
  REQUIRE(SSL_CREDENTIAL_set1_private_key(credential.get(), own.key().get()));
  REQUIRE(SSL_CTX_add1_credential(context.get(), credential.get()));
  return context;
}

void OfferProtocols(RawClient& client, std::string_view wire) {
  REQUIRE(SSL_set_alpn_protos(client.ssl(), AsBytes(wire).data(), wire.size()) == 0);
}

TEST_CASE("a client that offers no ALPN is refused") {
  const auto context = RawContext();
  RawClient client(context.get());
  TlsEngine server = NewServer();
  client.Handshake(server);
  CheckRefused(server, Reason::kTlsFailed);
  CHECK(server.failure().detail == "ALPN did not choose h2");
}

TEST_CASE("a client that offers another protocol is refused") {
  const auto context = RawContext();
  RawClient client(context.get());
  OfferProtocols(client, "\x08http/1.1");
  TlsEngine server = NewServer();
  CHECK(client.Handshake(server) != 1);
  CheckRefused(server, Reason::kTlsFailed);
}

TEST_CASE("h2 is chosen when it is offered beside others") {
  const auto context = RawContext();
  RawClient client(context.get());
  OfferProtocols(client, "\x08http/1.1\x02h2");
  TlsEngine server = NewServer();
  CHECK(client.Handshake(server) == 1);
  CHECK(server.state() == State::kOpen);
}

TEST_CASE("TLS 1.2 is refused") {
  const auto context = RawContext();
  RawClient client(context.get());
  OfferProtocols(client, "\x02h2");
  REQUIRE(SSL_set_min_proto_version(client.ssl(), TLS1_2_VERSION));
  REQUIRE(SSL_set_max_proto_version(client.ssl(), TLS1_2_VERSION));
  TlsEngine server = NewServer();
  CHECK(client.Handshake(server) != 1);
  CheckRefused(server, Reason::kTlsFailed);
}

TEST_CASE("ChaCha20 alone is refused") {
  const auto context = RawContext();
  RawClient client(context.get());
  OfferProtocols(client, "\x02h2");
  const std::uint16_t chacha[] = {SSL_CIPHER_CHACHA20_POLY1305_SHA256};
  REQUIRE(SSL_set1_tls13_ciphers(client.ssl(), chacha, nullptr, 1));
  TlsEngine server = NewServer();
  CHECK(client.Handshake(server) != 1);
  CheckRefused(server, Reason::kTlsFailed);
}

TEST_CASE("each fallback group is taken from a client that has no other") {
  for (const std::uint16_t group : {SSL_GROUP_X25519, SSL_GROUP_SECP256R1, SSL_GROUP_SECP384R1}) {
    CAPTURE(group);
    const auto context = RawContext();
    RawClient client(context.get());
    OfferProtocols(client, "\x02h2");
    REQUIRE(SSL_set1_group_ids(client.ssl(), &group, 1));
    TlsEngine server = NewServer();
    CHECK(client.Handshake(server) == 1);
    CHECK(server.state() == State::kOpen);
    CHECK(SSL_get_group_id(server.ssl()) == group);
  }
}

TEST_CASE("with the hybrid group only, a classical client is refused") {
  const auto context = RawContext();
  RawClient client(context.get());
  OfferProtocols(client, "\x02h2");
  const std::uint16_t group = SSL_GROUP_X25519;
  REQUIRE(SSL_set1_group_ids(client.ssl(), &group, 1));
  TlsEngine server(TlsContext::MeshServer(SharedCa().Bundle(kServerId), KeyExchange::kHybridOnly),
                   InTrustDomain{"cluster.local"}, kNow);
  CHECK(client.Handshake(server) != 1);
  CheckRefused(server, Reason::kTlsFailed);
}

TEST_CASE("the mesh client sends no server name") {
  TlsEngine client = NewClient();
  client.Step();
  const std::string hello = TakeBytes(client);
  CHECK(hello.find("reviews") == std::string::npos);
  CHECK(SSL_get_servername(client.ssl(), TLSEXT_NAMETYPE_host_name) == nullptr);
}

TEST_CASE("no tickets are issued") {
  const auto context = RawContext();
  static int tickets = 0;
  tickets = 0;
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
  SSL_CTX_sess_set_new_cb(context.get(), [](SSL*, SSL_SESSION*) { return ++tickets, 0; });
  RawClient client(context.get());
  OfferProtocols(client, "\x02h2");
  TlsEngine server = NewServer();
  REQUIRE(client.Handshake(server) == 1);
  REQUIRE(server.Seal(AsBytes("x")));
  client.Receive(server);
  char byte = 0;
  CHECK(SSL_read(client.ssl(), &byte, 1) == 1);
  CHECK(tickets == 0);
}

TEST_CASE("a KeyUpdate that asks for one is answered with the next write") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  REQUIRE(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED));
  REQUIRE(client.Seal(AsBytes("ping")));
  Move(client, server);
  CHECK(OpenAll(server) == "ping");
  REQUIRE(server.Seal(AsBytes("pong")));
  const std::string wire = TakeBytes(server);
  CHECK(wire.size() > 2 * 22 + 4);  // the KeyUpdate travels in front
  client.Feed(Chunk::CopyOf(wire));
  CHECK(OpenAll(client) == "pong");
  CHECK(client.state() == State::kOpen);
}

TEST_CASE("a flood of KeyUpdates ends the connection") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  int sent = 0;
  while (server.state() == State::kOpen && sent < 1000) {
    REQUIRE(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED));
    SSL_write(client.ssl(), nullptr, 0);
    ++sent;
    Move(client, server);
    CHECK(OpenAll(server).empty());
  }
  CHECK(sent < 40);
  CheckRefused(server, Reason::kTlsFailed);
}

TEST_CASE("KeyUpdates that ask for answers queue one answer, not many") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED));
    SSL_write(client.ssl(), nullptr, 0);
    Move(client, server);
    CHECK(OpenAll(server).empty());
  }
  REQUIRE(server.Seal(AsBytes("x")));
  CHECK(TakeBytes(server).size() < 100);
}

// An open server whose client's records are made by the test.
class ForgedClient {
 public:
  ForgedClient() {
    SSL_CTX_set_app_data(context_.get(), this);
    SSL_CTX_set_keylog_callback(context_.get(), [](const SSL* ssl, const char* line) {
      auto* self = static_cast<ForgedClient*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
      const std::string_view text(line);
      if (text.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) self->secret_ = text.substr(text.rfind(' ') + 1);
    });
    RawClient client(context_.get());
    OfferProtocols(client, "\x02h2");
    REQUIRE(client.Handshake(server_) == 1);
    REQUIRE(server_.suite() == "TLS_AES_256_GCM_SHA384");
    std::string secret;
    REQUIRE(absl::HexStringToBytes(secret_, &secret));
    forger_.emplace(secret);
  }
  TlsEngine& server() { return server_; }
  test::RecordForger& forger() { return *forger_; }
  std::string Deliver(std::string_view wire) {
    server_.Feed(Chunk::CopyOf(wire));
    return OpenAll(server_);
  }

 private:
  bssl::UniquePtr<SSL_CTX> context_ = RawContext();
  TlsEngine server_ = NewServer();
  std::string secret_;
  std::optional<test::RecordForger> forger_;
};

TEST_CASE("an empty record behind a full one is harmless") {
  ForgedClient client;
  const std::string text = Pattern(16384);
  const std::string full = client.forger().Seal(text);
  const std::string empty = client.forger().Seal("");
  const std::string more = client.forger().Seal("more");
  CHECK(client.Deliver(full + empty + more) == text + "more");
}

TEST_CASE("empty records alone yield nothing and keep the connection open") {
  ForgedClient client;
  CHECK(client.Deliver(client.forger().Seal("")).empty());
  CHECK(client.Deliver(client.forger().Seal("", 23, 5000)).empty());
  CHECK(client.Deliver(client.forger().Seal("x", 23, 100)) == "x");
}

TEST_CASE("a flood of empty records ends the connection") {
  ForgedClient client;
  int sent = 0;
  for (; sent < 1000 && client.server().state() == State::kOpen; ++sent) {
    CHECK(client.Deliver(client.forger().Seal("")).empty());
  }
  CHECK(sent < 100);
  CheckRefused(client.server(), Reason::kTlsFailed);
}

TEST_CASE("records that are nothing but padding end the connection") {
  ForgedClient client;
  CHECK(client.Deliver(client.forger().Seal("", 0, 100)).empty());
  CheckRefused(client.server(), Reason::kTlsFailed);
}

TEST_CASE("records of a type that has no business here end the connection") {
  for (const std::uint8_t type : {20, 24, 99}) {
    CAPTURE(type);
    ForgedClient client;
    CHECK(client.Deliver(client.forger().Seal("x", type)).empty());
    CheckRefused(client.server(), Reason::kTlsFailed);
  }
}

TEST_CASE("handshake messages after the handshake end the connection") {
  ForgedClient client;
  // Another client hello, as in renegotiation, which TLS 1.3 does not have.
  CHECK(client.Deliver(client.forger().Seal(std::string("\x01\x00\x00\x02xx", 6), 22)).empty());
  CheckRefused(client.server(), Reason::kTlsFailed);
}

TEST_CASE("a handshake message that claims megabytes does not make us keep them") {
  ForgedClient client;
  std::string message("\x18\xff\xff\xff", 4);  // a KeyUpdate of 16 MiB
  for (int i = 0; i < 100 && client.server().state() == State::kOpen; ++i) {
    CHECK(client.Deliver(client.forger().Seal(message + std::string(16000, 'x'), 22)).empty());
    message.clear();
  }
  CheckRefused(client.server(), Reason::kTlsFailed);
}

TEST_CASE("a fatal alert of the peer is a failure that names it") {
  ForgedClient client;
  CHECK(client.Deliver(client.forger().Seal("\x02\x2a", 21)).empty());
  CheckRefused(client.server(), Reason::kTlsFailed);
  CHECK(client.server().failure().detail == "the peer sent alert \"bad certificate\"");
}

TEST_CASE("plaintext before a bad record is delivered") {
  ForgedClient client;
  const std::string wire = client.forger().Seal("good") + client.forger().Seal("x", 99);
  CHECK(client.Deliver(wire) == "good");
  CheckRefused(client.server(), Reason::kTlsFailed);
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

TEST_CASE("garbage in place of a client hello is refused") {
  for (const std::string_view garbage :
       {"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"sv, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv,
        "\0\0\0\0\0\0\0\0\0\0\0\0"sv, "\x16\x03\x01\x00\x04\x02\x00\x00\x00"sv}) {
    TlsEngine server = NewServer();
    FeedBytes(server, garbage);
    CheckRefused(server, Reason::kTlsFailed);
  }
}

TEST_CASE("nothing can be sent before the handshake is over") {
  TlsEngine client = NewClient();
  CHECK(!client.Seal(AsBytes("x")));
  client.Close();
  CHECK(TakeBytes(client).empty());
}

TEST_CASE("a control plane's client checks the name and needs no certificate") {
  const auto server_context = TlsContext::HostServer(
      SharedCa().ServerBundle("istiod.istio-system.svc"), PeerCertificate::kNone);
  const auto client_context = TlsContext::HostClient(SharedCa().roots());
  {
    TlsEngine client(client_context, HostName{"istiod.istio-system.svc"}, kNow);
    TlsEngine server(server_context, OneOf{}, kNow);
    Handshake(client, server);
    CHECK(client.state() == State::kOpen);
    CHECK(server.state() == State::kOpen);
    CHECK(!client.peer().has_value());
    CHECK(SSL_get_servername(server.ssl(), TLSEXT_NAMETYPE_host_name) ==
          std::string("istiod.istio-system.svc"));
  }
  TlsEngine client(client_context, HostName{"other.svc"}, kNow);
  TlsEngine server(server_context, OneOf{}, kNow);
  Handshake(client, server);
  CheckRefused(client, Reason::kIdentityMismatch);
}

TEST_CASE("a server that may ask for certificates takes clients with and without one") {
  const auto context = TlsContext::HostServer(SharedCa().ServerBundle("istiod"), PeerCertificate::kOptional);
  {
    TlsEngine client(TlsContext::HostClient(SharedCa().roots()), HostName{"istiod"}, kNow);
    TlsEngine server(context, InTrustDomain{"cluster.local"}, kNow);
    Handshake(client, server);
    CHECK(server.state() == State::kOpen);
    CHECK(!server.peer().has_value());
  }
  TlsEngine client(test::ClientContext(), HostName{"istiod"}, kNow);
  TlsEngine server(context, InTrustDomain{"cluster.local"}, kNow);
  Handshake(client, server);
  CHECK(server.state() == State::kOpen);
  CHECK(server.peer() == kClientId);
}

}  // namespace
}  // namespace aquifer::certs
