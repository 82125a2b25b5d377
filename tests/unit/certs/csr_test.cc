#include "certs/csr.h"

#include "certs/pem.h"
#include "tests/unit/certs/support.h"

namespace aquifer::certs {
namespace {

TEST_CASE("a request carries the key and the SPIFFE URI, and nothing else") {
  const PrivateKey key = PrivateKey::Generate();
  const auto request = ParseCsr(MakeCsr(key, test::kClientId));
  REQUIRE(request.ok());
  CHECK(EVP_PKEY_cmp(request->public_key.get(), key.get()) == 1);
  REQUIRE(request->wished.uris.size() == 1);
  CHECK(request->wished.uris[0] == test::kClientId.ToString());
  CHECK(request->wished.dns.empty());
  CHECK(request->wished.ips.empty());
}

TEST_CASE("a request has an empty subject") {
  const auto blocks = ParsePem(MakeCsr(PrivateKey::Generate(), test::kClientId), {});
  REQUIRE(blocks.ok());
  const std::uint8_t* at = blocks->front().der.data();
  bssl::UniquePtr<X509_REQ> request(
      d2i_X509_REQ(nullptr, &at, static_cast<long>(blocks->front().der.size())));
  REQUIRE(request != nullptr);
  CHECK(X509_NAME_entry_count(X509_REQ_get_subject_name(request.get())) == 0);
}

TEST_CASE("a request with any byte changed is refused") {
  auto blocks = ParsePem(MakeCsr(PrivateKey::Generate(), test::kClientId), {});
  REQUIRE(blocks.ok());
  const std::vector<std::uint8_t> good = blocks->front().der;
  for (size_t i = 0; i < good.size(); ++i) {
    CAPTURE(i);
    std::vector<std::uint8_t> bad = good;
    bad[i] ^= 0x01;
    CHECK(!ParseCsr(MakePem("CERTIFICATE REQUEST", bad)).ok());
  }
}

TEST_CASE("a request cut at any offset, or with a byte behind it, is refused") {
  auto blocks = ParsePem(MakeCsr(PrivateKey::Generate(), test::kClientId), {});
  REQUIRE(blocks.ok());
  std::vector<std::uint8_t> der = blocks->front().der;
  for (size_t size = 1; size < der.size(); ++size) {
    CAPTURE(size);
    CHECK(!ParseCsr(MakePem("CERTIFICATE REQUEST", Bytes(der).first(size))).ok());
  }
  der.push_back(0);
  CHECK(!ParseCsr(MakePem("CERTIFICATE REQUEST", der)).ok());
}

TEST_CASE("a request under another label, twice, or too long is refused") {
  const std::string pem = MakeCsr(PrivateKey::Generate(), test::kClientId);
  CHECK(!ParseCsr(pem + pem).ok());
  CHECK(!ParseCsr(pem + std::string(20000, ' ')).ok());
  CHECK(!ParseCsr(PrivateKey::Generate().ToPem()).ok());
  CHECK(!ParseCsr("").ok());
}

}  // namespace
}  // namespace aquifer::certs
