#include "certs/key.h"

#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <iterator>

#include "certs/pem.h"

namespace aquifer::certs {
namespace {

constexpr PemLimits kKeyLimits{.max_bytes = 16 * 1024, .max_blocks = 4};
constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 4096;

int CurveOf(const EVP_PKEY* key) {
  const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(key);
  return ec == nullptr ? NID_undef : EC_GROUP_get_curve_name(EC_KEY_get0_group(ec));
}

bssl::UniquePtr<EVP_PKEY> ParseSec1(CBS& input) {
  const bssl::UniquePtr<EC_KEY> ec(EC_KEY_parse_private_key(&input, nullptr));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (ec == nullptr || key == nullptr || !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) return nullptr;
  return key;
}

bssl::UniquePtr<EVP_PKEY> ParsePkcs1(CBS& input) {
  const bssl::UniquePtr<RSA> rsa(RSA_parse_private_key(&input));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (rsa == nullptr || key == nullptr || !EVP_PKEY_set1_RSA(key.get(), rsa.get())) return nullptr;
  return key;
}

struct KeyForm {
  std::string_view label;
  std::string_view name;
  bssl::UniquePtr<EVP_PKEY> (*parse)(CBS& input);
};
constexpr KeyForm kForms[] = {
    {"PRIVATE KEY", "PKCS#8",
     [](CBS& input) { return bssl::UniquePtr<EVP_PKEY>(EVP_parse_private_key(&input)); }},
    {"EC PRIVATE KEY", "SEC 1", &ParseSec1},
    {"RSA PRIVATE KEY", "PKCS#1", &ParsePkcs1},
};

Decoded<bssl::UniquePtr<EVP_PKEY>> Parse(Bytes der, const KeyForm& form) {
  CBS input(bssl::Span<const std::uint8_t>(der.data(), der.size()));
  bssl::UniquePtr<EVP_PKEY> key = form.parse(input);
  ERR_clear_error();
  if (key == nullptr || CBS_len(&input) != 0)
    return Refusal{"private key", "is not " + std::string(form.name)};
  if (!IsAcceptableKey(key.get())) {
    return Refusal{"private key", "is not P-256, P-384 or RSA of 2048 to 4096 bits"};
  }
  return key;
}

}  // namespace

bool IsAcceptableKey(const EVP_PKEY* key) {
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_EC:
      return CurveOf(key) == NID_X9_62_prime256v1 || CurveOf(key) == NID_secp384r1;
    case EVP_PKEY_RSA:
      return EVP_PKEY_bits(key) >= kMinRsaBits && EVP_PKEY_bits(key) <= kMaxRsaBits;
    default:
      return false;
  }
}

PrivateKey PrivateKey::Generate() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  AQ_CHECK(ec != nullptr);
  AQ_CHECK(EC_KEY_generate_key(ec.get()));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  AQ_CHECK(key != nullptr);
  AQ_CHECK(EVP_PKEY_set1_EC_KEY(key.get(), ec.get()));
  return PrivateKey(std::move(key));
}

Decoded<PrivateKey> PrivateKey::FromPem(std::string_view pem) {
  AQ_TRY(std::vector<PemBlock> blocks, ParsePem(pem, kKeyLimits));
  if (blocks.size() != 1) return Refusal{"private key", "is not exactly one PEM block"};
  const auto* form = std::find_if(std::begin(kForms), std::end(kForms), [&](const KeyForm& known) {
    return known.label == blocks[0].label;
  });
  if (form == std::end(kForms))
    return Refusal{"private key", "is a PEM block other than [EC |RSA ]PRIVATE KEY"};
  auto key = Parse(blocks[0].der, *form);
  OPENSSL_cleanse(blocks[0].der.data(), blocks[0].der.size());
  if (!key) return std::move(key).error();
  return PrivateKey(*std::move(key));
}

std::string PrivateKey::ToPem() const {
  bssl::ScopedCBB writer;
  std::uint8_t* der = nullptr;
  size_t length = 0;
  AQ_CHECK(CBB_init(writer.get(), 256));
  AQ_CHECK(EVP_marshal_private_key(writer.get(), key_.get()));
  AQ_CHECK(CBB_finish(writer.get(), &der, &length));
  std::string pem = MakePem("PRIVATE KEY", {der, length});
  OPENSSL_free(der);  // wipes what it frees
  return pem;
}

}  // namespace aquifer::certs
