#include "certs/bundle.h"

#include "tests/unit/certs/support.h"

namespace aquifer::certs {
namespace {

using test::kDay;
using test::kNow;
using test::SharedCa;

TEST_CASE("a bundle knows its leaf's identity, validity and serial number") {
  const CertificateBundle bundle =
      SharedCa().Raw({.names = {.uris = {test::kClientId.ToString()}}});
  REQUIRE(bundle.identity().has_value());
  CHECK(*bundle.identity() == test::kClientId);
  CHECK(bundle.leaf().serial_number == "4242");
  CHECK(bundle.leaf().not_before == kNow - std::chrono::minutes(1));
  CHECK(bundle.leaf().not_after == kNow + kDay);
}

TEST_CASE("half-life is the middle of the validity") {
  const CertificateBundle bundle =
      SharedCa().Raw({.names = {}, .not_before = kNow, .not_after = kNow + 2 * kDay});
  CHECK(bundle.HalfLife() == kNow + kDay);
}

TEST_CASE("a bundle expires when its leaf does") {
  const CertificateBundle bundle = SharedCa().Bundle(test::kClientId);
  CHECK(!bundle.Expired(bundle.leaf().not_after - std::chrono::seconds(1)));
  CHECK(bundle.Expired(bundle.leaf().not_after));
}

TEST_CASE("a chain without a SPIFFE id has no identity") {
  CHECK(!SharedCa().ServerBundle("istiod.istio-system.svc").identity().has_value());
  CHECK(!SharedCa()
             .RawUris({"spiffe://td/ns/a/sa/b", "spiffe://td/ns/a/sa/c"})
             .identity()
             .has_value());
}

TEST_CASE("a CA's answer is leaf first and roots last") {
  PrivateKey key = PrivateKey::Generate();
  const auto leaf = SharedCa().ca().Issue(key.get(), test::kClientId, kDay, kNow);
  REQUIRE(leaf.ok());
  const std::string two_roots = SharedCa().roots()->pem() + test::OtherCa().roots()->pem();
  const std::vector<std::string> answer{*leaf, two_roots};
  const auto bundle = CertificateBundle::FromResponse(key, answer);
  REQUIRE(bundle.ok());
  CHECK(bundle->certificates().size() == 1);
  CHECK(bundle->roots()->certificates().size() == 2);
}

TEST_CASE("a CA's answer of one element is refused") {
  PrivateKey key = PrivateKey::Generate();
  const auto leaf = SharedCa().ca().Issue(key.get(), test::kClientId, kDay, kNow);
  const std::vector<std::string> answer{*leaf};
  const auto bundle = CertificateBundle::FromResponse(key, answer);
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().field == "cert_chain");
}

TEST_CASE("a leaf for another key is refused") {
  const auto leaf =
      SharedCa().ca().Issue(PrivateKey::Generate().get(), test::kClientId, kDay, kNow);
  const auto bundle =
      CertificateBundle::Make(PrivateKey::Generate(), std::span(&*leaf, 1), SharedCa().roots());
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().why == "is not for our key");
}

TEST_CASE("a bad root refuses the bundle and is named") {
  const std::string bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const auto roots = RootBundle::FromPem(SharedCa().roots()->pem() + bad);
  REQUIRE(!roots.ok());
  CHECK(roots.error().field == "root[1]");
}

TEST_CASE("a key among the roots, and no root at all, are refused") {
  CHECK(!RootBundle::FromPem(PrivateKey::Generate().ToPem()).ok());
  CHECK(!RootBundle::FromPem("").ok());
}

TEST_CASE("the same root twice is no reason to refuse") {
  CHECK(RootBundle::FromPem(SharedCa().roots()->pem() + SharedCa().roots()->pem()).ok());
}

}  // namespace
}  // namespace aquifer::certs
