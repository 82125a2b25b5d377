#include "certs/key.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include "certs/pem.h"
#include "tests/support/catch.h"

namespace aquifer::certs {
namespace {

std::string ToPkcs8(const EVP_PKEY* key, std::string_view label = "PRIVATE KEY") {
  bssl::ScopedCBB writer;
  std::uint8_t* der = nullptr;
  size_t length = 0;
  REQUIRE(CBB_init(writer.get(), 256));
  REQUIRE(EVP_marshal_private_key(writer.get(), key));
  REQUIRE(CBB_finish(writer.get(), &der, &length));
  std::string pem = MakePem(label, {der, length});
  OPENSSL_free(der);
  return pem;
}

bssl::UniquePtr<EVP_PKEY> EcKey(int curve) {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(curve));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  REQUIRE(EC_KEY_generate_key(ec.get()));
  REQUIRE(EVP_PKEY_set1_EC_KEY(key.get(), ec.get()));
  return key;
}

bssl::UniquePtr<EVP_PKEY> RsaKey(int bits) {
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<BIGNUM> exponent(BN_new());
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  REQUIRE(BN_set_word(exponent.get(), RSA_F4));
  REQUIRE(RSA_generate_key_ex(rsa.get(), bits, exponent.get(), nullptr));
  REQUIRE(EVP_PKEY_set1_RSA(key.get(), rsa.get()));
  return key;
}

TEST_CASE("a key survives being written and read") {
  const PrivateKey key = PrivateKey::Generate();
  const auto read = PrivateKey::FromPem(key.ToPem());
  REQUIRE(read.ok());
  CHECK(EVP_PKEY_cmp(key.get(), read->get()) == 1);
}

TEST_CASE("two generated keys differ") {
  CHECK(EVP_PKEY_cmp(PrivateKey::Generate().get(), PrivateKey::Generate().get()) != 1);
}

TEST_CASE("a copy shares the key") {
  const PrivateKey key = PrivateKey::Generate();
  const PrivateKey copy = key;
  CHECK(copy.get() == key.get());
}

TEST_CASE("P-384 and RSA of 2048 bits are read") {
  CHECK(PrivateKey::FromPem(ToPkcs8(EcKey(NID_secp384r1).get())).ok());
  CHECK(PrivateKey::FromPem(ToPkcs8(RsaKey(2048).get())).ok());
}

std::string Written(std::string_view label, int (*marshal)(CBB*, const EVP_PKEY*),
                    const EVP_PKEY* key) {
  bssl::ScopedCBB writer;
  std::uint8_t* der = nullptr;
  size_t length = 0;
  REQUIRE(CBB_init(writer.get(), 256));
  REQUIRE(marshal(writer.get(), key));
  REQUIRE(CBB_finish(writer.get(), &der, &length));
  std::string pem = MakePem(label, {der, length});
  OPENSSL_free(der);
  return pem;
}

TEST_CASE("the forms from before PKCS#8 are read, each with its own label") {
  const auto ec = EcKey(NID_X9_62_prime256v1);
  const auto rsa = RsaKey(2048);
  const auto sec1 = [](CBB* out, const EVP_PKEY* key) {
    return EC_KEY_marshal_private_key(out, EVP_PKEY_get0_EC_KEY(key), 0);
  };
  const auto pkcs1 = [](CBB* out, const EVP_PKEY* key) {
    return RSA_marshal_private_key(out, EVP_PKEY_get0_RSA(key));
  };
  const auto read_ec = PrivateKey::FromPem(Written("EC PRIVATE KEY", sec1, ec.get()));
  REQUIRE(read_ec.ok());
  CHECK(EVP_PKEY_cmp(read_ec->get(), ec.get()) == 1);
  const auto read_rsa = PrivateKey::FromPem(Written("RSA PRIVATE KEY", pkcs1, rsa.get()));
  REQUIRE(read_rsa.ok());
  CHECK(EVP_PKEY_cmp(read_rsa->get(), rsa.get()) == 1);
  CHECK(!PrivateKey::FromPem(Written("RSA PRIVATE KEY", sec1, ec.get())).ok());
  CHECK(!PrivateKey::FromPem(Written("PRIVATE KEY", pkcs1, rsa.get())).ok());
}

TEST_CASE("weak keys and curves that nobody uses are refused") {
  CHECK(!PrivateKey::FromPem(ToPkcs8(RsaKey(1024).get())).ok());
  CHECK(!PrivateKey::FromPem(ToPkcs8(EcKey(NID_secp521r1).get())).ok());
}

TEST_CASE("a block of another label, two blocks and no block are refused as a key") {
  const PrivateKey key = PrivateKey::Generate();
  CHECK(!PrivateKey::FromPem(ToPkcs8(key.get(), "EC PRIVATE KEY")).ok());
  CHECK(!PrivateKey::FromPem(key.ToPem() + key.ToPem()).ok());
  CHECK(!PrivateKey::FromPem("").ok());
}

TEST_CASE("a key with bytes behind it is refused") {
  auto blocks = ParsePem(PrivateKey::Generate().ToPem(), {});
  REQUIRE(blocks.ok());
  blocks->front().der.push_back(0);
  CHECK(!PrivateKey::FromPem(MakePem("PRIVATE KEY", blocks->front().der)).ok());
}

}  // namespace
}  // namespace aquifer::certs
