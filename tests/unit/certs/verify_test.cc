#include "certs/verify.h"

#include <openssl/mem.h>
#include <openssl/ssl.h>

#include "certs/pem.h"
#include "tests/unit/certs/support.h"

namespace aquifer::certs {
namespace {

using test::kClientId;
using test::kDay;
using test::kNow;
using test::SharedCa;
using namespace std::string_literals;

using test::RawLeaf;
const InTrustDomain kOurs{"cluster.local"};

bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> ChainOf(const CertificateBundle& bundle) {
  bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> chain(sk_CRYPTO_BUFFER_new_null());
  for (const auto& certificate : bundle.chain()) {
    REQUIRE(bssl::PushToStack(chain.get(), bssl::UpRef(certificate)));
  }
  return chain;
}

Result<VerifiedIdentity, VerifyRefusal> Check(const CertificateBundle& bundle,
                                              const PeerExpectation& expectation,
                                              PeerRole role = PeerRole::kClient,
                                              WallTime now = kNow) {
  return VerifyPeer(ChainOf(bundle).get(), *SharedCa().roots(), role, expectation, now);
}

TEST_CASE("a peer of our trust domain is taken for who it is") {
  const auto verdict = Check(SharedCa().Bundle(kClientId), kOurs);
  REQUIRE(verdict.ok());
  CHECK(*verdict == kClientId);
}

TEST_CASE("a peer of another trust domain is turned away as somebody else") {
  const auto verdict = Check(SharedCa().Bundle({"other.local", "shop", "web"}), kOurs);
  REQUIRE(!verdict.ok());
  CHECK(verdict.error().reason == Reason::kIdentityMismatch);
  CHECK(verdict.error().alert == SSL_AD_ACCESS_DENIED);
  CHECK(verdict.error().why ==
        "the peer is spiffe://other.local/ns/shop/sa/web, expected anyone of cluster.local");
}

TEST_CASE("a list of identities takes its members only") {
  const CertificateBundle bundle = SharedCa().Bundle(kClientId);
  CHECK(Check(bundle, OneOf{{test::kServerId, kClientId}}, PeerRole::kServer).ok());
  CHECK(!Check(bundle, OneOf{{test::kServerId}}, PeerRole::kServer).ok());
}

TEST_CASE("an empty list of identities takes nobody") {
  CHECK(!Check(SharedCa().Bundle(kClientId), OneOf{}, PeerRole::kServer).ok());
}

TEST_CASE("a certificate must have exactly one URI") {
  const std::string uri = kClientId.ToString();
  CHECK(Check(SharedCa().RawUris({uri}), kOurs).ok());
  CHECK(!Check(SharedCa().RawUris({}), kOurs).ok());
  CHECK(!Check(SharedCa().RawUris({uri, uri}), kOurs).ok());
  CHECK(!Check(SharedCa().RawUris({"spiffe://other.local/ns/a/sa/b", uri}), kOurs).ok());
  CHECK(!Check(SharedCa().RawUris({uri, "https://example.com"}), kOurs).ok());
}

TEST_CASE("names of other kinds beside the one URI do not matter") {
  const RawLeaf leaf{.names = {.uris = {kClientId.ToString()}, .dns = {"web.shop.svc"}}};
  CHECK(Check(SharedCa().Raw(leaf), kOurs).ok());
}

TEST_CASE("a URI with a NUL, a line end, a query or an escape is refused") {
  const std::string uri = kClientId.ToString();
  for (const std::string& odd : {"\0"s, "\0.evil"s, "\r\n"s, "?query"s, "#x"s, "%2e"s, "/"s}) {
    const auto verdict = Check(SharedCa().RawUris({uri + odd}), kOurs);
    REQUIRE(!verdict.ok());
    CHECK(verdict.error().reason == Reason::kTlsFailed);
    CHECK(verdict.error().alert == SSL_AD_BAD_CERTIFICATE);
  }
}

TEST_CASE("a certificate counts from its first second until its last begins") {
  const CertificateBundle bundle = SharedCa().Bundle(kClientId);
  const WallTime first = bundle.leaf().not_before;
  const WallTime last = bundle.leaf().not_after;
  CHECK(Check(bundle, kOurs, PeerRole::kClient, first).ok());
  CHECK(Check(bundle, kOurs, PeerRole::kClient, last - std::chrono::seconds(1)).ok());
  CHECK(!Check(bundle, kOurs, PeerRole::kClient, first - std::chrono::seconds(1)).ok());
  const auto late = Check(bundle, kOurs, PeerRole::kClient, last);
  REQUIRE(!late.ok());
  CHECK(late.error().alert == SSL_AD_CERTIFICATE_EXPIRED);
}

TEST_CASE("a chain that ends in a foreign root is refused") {
  const auto verdict = Check(test::OtherCa().Bundle(kClientId), kOurs);
  REQUIRE(!verdict.ok());
  CHECK(verdict.error().reason == Reason::kTlsFailed);
}

TEST_CASE("with two roots, chains of both are good") {
  const auto both = RootBundle::FromPem(SharedCa().roots()->pem() + test::OtherCa().roots()->pem());
  REQUIRE(both.ok());
  for (const test::TestCa* ca : {&SharedCa(), &test::OtherCa()}) {
    const auto chain = ChainOf(ca->Bundle(kClientId));
    CHECK(VerifyPeer(chain.get(), **both, PeerRole::kClient, kOurs, kNow).ok());
  }
}

TEST_CASE("a CA's own certificate is not a workload's") {
  RawLeaf leaf{.names = {.uris = {kClientId.ToString()}}, .basic_constraints = "critical,CA:TRUE"};
  leaf.key_usage = "critical,digitalSignature,keyCertSign";
  CHECK(!Check(SharedCa().Raw(leaf), kOurs).ok());
  leaf.basic_constraints = "critical,CA:FALSE";
  CHECK(!Check(SharedCa().Raw(leaf), kOurs).ok());
}

TEST_CASE("the extended key usage must fit the peer's role") {
  const RawLeaf server_only{.names = {.uris = {kClientId.ToString()}},
                            .extended_key_usage = "serverAuth"};
  CHECK(Check(SharedCa().Raw(server_only), kOurs, PeerRole::kServer).ok());
  CHECK(!Check(SharedCa().Raw(server_only), kOurs, PeerRole::kClient).ok());
}

TEST_CASE("a certificate signed by a leaf is refused") {
  // The chain is whole and every signature good, but the issuer is no CA.
  const CertificateBundle middle = SharedCa().Bundle(test::kServerId);
  const auto false_ca =
      LocalCa::FromPem(middle.key().ToPem(), middle.ChainPem(), middle.ChainPem());
  CHECK(!false_ca.ok());
}

TEST_CASE("no chain, too long a chain and bytes that are no certificate are refused") {
  bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> chain(sk_CRYPTO_BUFFER_new_null());
  const RootBundle& roots = *SharedCa().roots();
  CHECK(!VerifyPeer(nullptr, roots, PeerRole::kClient, kOurs, kNow).ok());
  CHECK(!VerifyPeer(chain.get(), roots, PeerRole::kClient, kOurs, kNow).ok());
  const CertificateBundle bundle = SharedCa().Bundle(kClientId);
  for (size_t i = 0; i < kMaxPeerChain; ++i) {
    REQUIRE(bssl::PushToStack(chain.get(), bssl::UpRef(bundle.chain()[0])));
  }
  CHECK(VerifyPeer(chain.get(), roots, PeerRole::kClient, kOurs, kNow).ok());
  REQUIRE(bssl::PushToStack(chain.get(), bssl::UpRef(bundle.chain()[0])));
  CHECK(!VerifyPeer(chain.get(), roots, PeerRole::kClient, kOurs, kNow).ok());
  chain.reset(sk_CRYPTO_BUFFER_new_null());
  const std::uint8_t junk[] = {0x30, 0x03, 0x02, 0x01, 0x00};
  REQUIRE(bssl::PushToStack(
      chain.get(), bssl::UniquePtr<CRYPTO_BUFFER>(CRYPTO_BUFFER_new(junk, sizeof junk, nullptr))));
  CHECK(!VerifyPeer(chain.get(), roots, PeerRole::kClient, kOurs, kNow).ok());
}

TEST_CASE("a server is known by its DNS name or its address, never by its common name") {
  const CertificateBundle server = SharedCa().ServerBundle("istiod.istio-system.svc");
  CHECK(Check(server, HostName{"istiod.istio-system.svc"}, PeerRole::kServer).ok());
  CHECK(Check(server, HostName{"127.0.0.1"}, PeerRole::kServer).ok());
  for (const std::string& name :
       {"istiod"s, "other.svc"s, "127.0.0.2"s, ""s, "istiod.istio-system.svc\0x"s}) {
    const auto verdict = Check(server, HostName{name}, PeerRole::kServer);
    CAPTURE(name);
    REQUIRE(!verdict.ok());
  }
  const auto verdict = Check(server, HostName{"other.svc"}, PeerRole::kServer);
  CHECK(verdict.error().reason == Reason::kIdentityMismatch);
}

}  // namespace
}  // namespace aquifer::certs
