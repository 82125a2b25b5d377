#include "certs/tls_engine.h"

#include "tests/unit/certs/raw_client.h"

namespace aquifer::certs {
namespace {

using State = TlsEngine::State;
using test::CheckRefused;
using test::Handshake;
using test::kClientId;
using test::kNow;
using test::kServerId;
using test::NewClient;
using test::NewServer;
using test::OfferProtocols;
using test::OpenAll;
using test::RawClient;
using test::RawContext;
using test::SharedCa;
using test::TakeBytes;

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
  TlsEngine late_server(test::ServerContext(), InTrustDomain{"cluster.local"},
                        kNow + 2 * test::kDay);
  Handshake(client, late_server);
  CheckRefused(late_server, Reason::kTlsFailed);
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

TEST_CASE("with the hybrid group only, a classical server is refused") {
  TlsEngine client(TlsContext::MeshClient(SharedCa().Bundle(kClientId), KeyExchange::kHybridOnly),
                   OneOf{{kServerId}}, kNow);
  TlsEngine server = NewServer();
  const std::uint16_t classical[] = {SSL_GROUP_X25519, SSL_GROUP_SECP256R1, SSL_GROUP_SECP384R1};
  REQUIRE(SSL_set1_group_ids(server.ssl(), classical, std::size(classical)));
  Handshake(client, server);
  CheckRefused(client, Reason::kTlsFailed);
  CheckRefused(server, Reason::kTlsFailed);
}

TEST_CASE("with the hybrid group only, peers that have it are taken both ways") {
  const auto client_only =
      TlsContext::MeshClient(SharedCa().Bundle(kClientId), KeyExchange::kHybridOnly);
  const auto server_only =
      TlsContext::MeshServer(SharedCa().Bundle(kServerId), KeyExchange::kHybridOnly);
  for (const auto& [own, peer] :
       {std::pair(client_only, test::ServerContext()),
        std::pair(test::ClientContext(), server_only), std::pair(client_only, server_only)}) {
    TlsEngine client(own, OneOf{{kServerId}}, kNow);
    TlsEngine server(peer, InTrustDomain{"cluster.local"}, kNow);
    Handshake(client, server);
    CHECK(client.state() == State::kOpen);
    CHECK(server.state() == State::kOpen);
    CHECK(client.group() == "X25519MLKEM768");
  }
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
  const auto context =
      TlsContext::HostServer(SharedCa().ServerBundle("istiod"), PeerCertificate::kOptional);
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
