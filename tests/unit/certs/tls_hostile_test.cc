#include "certs/tls_engine.h"

#include <optional>

#include "absl/strings/escaping.h"
#include "tests/unit/certs/raw_client.h"
#include "tests/unit/certs/record_forger.h"

namespace aquifer::certs {
namespace {

using namespace std::string_view_literals;
using State = TlsEngine::State;
using test::CheckRefused;
using test::FeedBytes;
using test::Handshake;
using test::Move;
using test::NewClient;
using test::NewServer;
using test::OfferProtocols;
using test::OpenAll;
using test::Pattern;
using test::RawClient;
using test::RawContext;
using test::TakeBytes;

TEST_CASE("garbage in place of a client hello is refused") {
  for (const std::string_view garbage :
       {"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"sv, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv,
        "\0\0\0\0\0\0\0\0\0\0\0\0"sv, "\x16\x03\x01\x00\x04\x02\x00\x00\x00"sv}) {
    TlsEngine server = NewServer();
    FeedBytes(server, garbage);
    CheckRefused(server, Reason::kTlsFailed);
  }
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

TEST_CASE("KeyUpdates with a little data between them end the connection, too") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  int sent = 0;
  for (; server.state() == State::kOpen && sent < 5000; ++sent) {
    REQUIRE(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED));
    REQUIRE(client.Seal(AsBytes("x")));
    Move(client, server);
    OpenAll(server);
  }
  CHECK(sent < 100);
  CheckRefused(server, Reason::kTlsFailed);
}

TEST_CASE("a peer that replaces its keys now and then is not punished") {
  TlsEngine client = NewClient();
  TlsEngine server = NewServer();
  Handshake(client, server);
  const std::string text = Pattern(1 << 20);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED));
    REQUIRE(client.Seal(AsBytes(text)));
    Move(client, server);
    CHECK(OpenAll(server).size() == text.size());
  }
  CHECK(server.state() == State::kOpen);
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
      if (text.starts_with("CLIENT_TRAFFIC_SECRET_0 "))
        self->secret_ = text.substr(text.rfind(' ') + 1);
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

}  // namespace
}  // namespace aquifer::certs
