#include "certs/revocation.h"

#include <openssl/ssl.h>

#include "certs/pem.h"
#include "tests/support/run_task.h"
#include "tests/unit/certs/crl_signer.h"
#include "tests/unit/certs/support.h"

namespace aquifer::certs {
namespace {

using test::CrlSigner;
using test::kClientId;
using test::kDay;
using test::kNow;
using test::kServerId;
using test::SharedCa;

const InTrustDomain kOurs{"cluster.local"};

CrlSetRef Lists(const std::string& file) {
  const auto set = CrlSet::Parse(file);
  INFO((set.ok() ? "" : set.error().ToString()));
  REQUIRE(set.ok());
  return *set;
}

struct Counts {
  int rejected = 0;
  int untracked = 0;
  RevocationObserver Observer() {
    return {.on_rejected = [this](PeerRole) { ++rejected; },
            .on_untracked = [this](PeerRole) { ++untracked; }};
  }
};

Result<VerifiedIdentity, VerifyRefusal> Check(const CertificateBundle& bundle,
                                              Revocations::Watch& watch,
                                              const RootBundle& roots = *SharedCa().roots()) {
  bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> chain(sk_CRYPTO_BUFFER_new_null());
  for (const auto& certificate : bundle.chain())
    REQUIRE(bssl::PushToStack(chain.get(), bssl::UpRef(certificate)));
  return VerifyPeer(chain.get(), roots, PeerRole::kClient, kOurs, kNow, &watch);
}

// A CA under SharedCa, with the leaves that it signs.
struct Intermediate {
  Intermediate()
      : ca(*LocalCa::FromPem(bundle.key().ToPem(), bundle.ChainPem(), SharedCa().roots()->pem())) {}
  CertificateBundle Bundle(const Identity& identity) const {
    PrivateKey key = PrivateKey::Generate();
    const auto leaf = ca.Issue(key.get(), identity, kDay, kNow);
    REQUIRE(leaf.ok());
    auto made = CertificateBundle::FromResponse(std::move(key), ca.ResponseChain(*leaf));
    REQUIRE(made.ok());
    return *std::move(made);
  }
  CertificateBundle bundle = SharedCa().Raw({.names = {},
                                             .extended_key_usage = nullptr,
                                             .basic_constraints = "critical,CA:TRUE",
                                             .key_usage = "critical,keyCertSign"});
  LocalCa ca;
};

TEST_CASE("a peer whose serial number is on its issuer's list is refused") {
  const CrlSigner signer(SharedCa().ca());
  const CertificateBundle good = SharedCa().Bundle(kClientId);
  const CertificateBundle bad = SharedCa().Bundle(kClientId);
  Counts counts;
  Revocations revocations(counts.Observer());
  revocations.SetLists(Lists(signer.Pem({bad.leaf().serial_number})));
  Revocations::Watch first(revocations, StopToken()), second(revocations, StopToken());
  CHECK(Check(good, first).ok());
  const auto verdict = Check(bad, second);
  REQUIRE(!verdict.ok());
  CHECK(verdict.error().reason == Reason::kRevoked);
  CHECK(verdict.error().alert == SSL_AD_CERTIFICATE_REVOKED);
  CHECK(counts.rejected == 1);
  CHECK(revocations.watched() == 1);
}

TEST_CASE("without a list of its issuer a peer is taken") {
  const CrlSigner stranger(test::OtherCa().ca());
  const CertificateBundle bundle = SharedCa().Bundle(kClientId);
  Revocations revocations;
  // Both CAs have one name: only the signature tells whose list it is.
  revocations.SetLists(Lists(stranger.Pem({bundle.leaf().serial_number})));
  Revocations::Watch watch(revocations, StopToken());
  CHECK(Check(bundle, watch).ok());
}

TEST_CASE("of two roots of one name each has its own list") {
  const auto both = RootBundle::FromPem(SharedCa().roots()->pem() + test::OtherCa().roots()->pem());
  REQUIRE(both.ok());
  const CertificateBundle ours = SharedCa().Raw({.names = {.uris = {kClientId.ToString()}}});
  const CertificateBundle theirs = test::OtherCa().Raw({.names = {.uris = {kClientId.ToString()}}});
  REQUIRE(ours.leaf().serial_number == theirs.leaf().serial_number);
  const CrlSigner other(test::OtherCa().ca());
  Revocations revocations;
  revocations.SetLists(Lists(other.Pem({ours.leaf().serial_number})));
  Revocations::Watch first(revocations, StopToken()), second(revocations, StopToken());
  CHECK(Check(ours, first, **both).ok());
  CHECK(!Check(theirs, second, **both).ok());
}

TEST_CASE("a list past its next update goes on counting") {
  const CrlSigner signer(SharedCa().ca());
  const CertificateBundle bundle = SharedCa().Bundle(kClientId);
  Revocations revocations;
  revocations.SetLists(Lists(signer.Pem({.serials = {bundle.leaf().serial_number},
                                         .next_update = kNow - std::chrono::hours(24 * 365)})));
  Revocations::Watch watch(revocations, StopToken());
  CHECK(!Check(bundle, watch).ok());
}

TEST_CASE("a revoked CA takes all that it signed along, new and open") {
  const CrlSigner signer(SharedCa().ca());
  const Intermediate middle;
  const CertificateBundle bundle = middle.Bundle(kClientId);
  Counts counts;
  Revocations revocations(counts.Observer());
  Revocations::Watch open(revocations, StopToken()), late(revocations, StopToken());
  REQUIRE(Check(bundle, open).ok());
  revocations.SetLists(Lists(signer.Pem({middle.ca.certificate().serial_number})));
  CHECK(open.token().reason() == Reason::kRevoked);
  CHECK(!Check(bundle, late).ok());
  CHECK(counts.rejected == 2);
}

TEST_CASE("a root that has revoked itself is trusted no more") {
  const CrlSigner signer(SharedCa().ca());
  Revocations revocations;
  revocations.SetLists(Lists(signer.Pem({SharedCa().ca().certificate().serial_number})));
  Revocations::Watch watch(revocations, StopToken());
  CHECK(!Check(SharedCa().Bundle(kClientId), watch).ok());
}

TEST_CASE("other lists end the connections of whom they revoke, once, and no others") {
  const CrlSigner signer(SharedCa().ca());
  const CertificateBundle web = SharedCa().Bundle(kClientId);
  const CertificateBundle other = SharedCa().Bundle(kServerId);
  Counts counts;
  Revocations revocations(counts.Observer());
  Revocations::Watch first(revocations, StopToken()), second(revocations, StopToken());
  REQUIRE(Check(web, first).ok());
  REQUIRE(Check(other, second).ok());
  CHECK(revocations.paths() == 1);
  const CrlSetRef lists = Lists(signer.Pem({web.leaf().serial_number}));
  revocations.SetLists(lists);
  revocations.SetLists(lists);
  CHECK(first.token().reason() == Reason::kRevoked);
  CHECK(!second.token().requested());
  CHECK(counts.rejected == 1);
  CHECK(counts.untracked == 0);
}

TEST_CASE("what is kept of a connection goes with it") {
  const Intermediate middle;
  Revocations revocations;
  {
    Revocations::Watch direct(revocations, StopToken()), under(revocations, StopToken());
    REQUIRE(Check(SharedCa().Bundle(kClientId), direct).ok());
    REQUIRE(Check(middle.Bundle(kClientId), under).ok());
    CHECK(revocations.watched() == 2);
    CHECK(revocations.paths() == 2);
  }
  CHECK(revocations.watched() == 0);
  CHECK(revocations.paths() == 0);
}

TEST_CASE("while nobody can read the lists no new peer is taken, and who is there stays") {
  const CrlSigner signer(SharedCa().ca());
  const CertificateBundle bundle = SharedCa().Bundle(kClientId);
  Revocations revocations;
  Revocations::Watch early(revocations, StopToken()), late(revocations, StopToken());
  REQUIRE(Check(bundle, early).ok());
  revocations.SetLists(nullptr);
  const auto verdict = Check(bundle, late);
  REQUIRE(!verdict.ok());
  CHECK(verdict.error().reason == Reason::kTlsFailed);
  CHECK(!early.token().requested());
  revocations.SetLists(CrlSet::None());
  CHECK(Check(bundle, late).ok());
}

TEST_CASE("the peer of a revoked certificate is told so in the handshake") {
  const CrlSigner signer(SharedCa().ca());
  const CertificateBundle own = SharedCa().Bundle(kClientId);
  Revocations revocations;
  revocations.SetLists(Lists(signer.Pem({own.leaf().serial_number})));
  Revocations::Watch watch(revocations, StopToken());
  TlsEngine client(TlsContext::MeshClient(own), OneOf{{kServerId}}, kNow);
  TlsEngine server(test::ServerContext(), kOurs, kNow, &watch);
  test::Handshake(client, server);
  CHECK(server.state() == TlsEngine::State::kFailed);
  CHECK(server.failure().error.reason == Reason::kRevoked);
  client.Open();
  CHECK(client.failure().detail.find("revoked") != std::string::npos);
}

}  // namespace
}  // namespace aquifer::certs
