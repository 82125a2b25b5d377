#include "tests/unit/certs/record_forger.h"

#include <openssl/aead.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>

#include "core/base/bytes.h"
#include "tests/support/catch.h"

namespace aquifer::certs::test {
namespace {

// RFC 8446 section 7.1, with an empty context.
std::string ExpandLabel(std::string_view secret, const std::string& label, size_t size) {
  const std::string full = "tls13 " + label;
  std::string info;
  ByteWriter writer(info);
  writer.U16(static_cast<std::uint16_t>(size));
  writer.U8(static_cast<std::uint8_t>(full.size()));
  writer.Raw(AsBytes(full));
  writer.U8(0);
  std::string out(size, '\0');
  REQUIRE(HKDF_expand(reinterpret_cast<std::uint8_t*>(out.data()), size, EVP_sha384(),
                      AsBytes(secret).data(), secret.size(), AsBytes(info).data(), info.size()));
  return out;
}

}  // namespace

RecordForger::RecordForger(std::string_view secret)
    : key_(ExpandLabel(secret, "key", 32)), iv_(ExpandLabel(secret, "iv", 12)) {}

std::string RecordForger::Seal(std::string_view content, std::uint8_t type, size_t padding) {
  std::string inner(content);
  inner.push_back(static_cast<char>(type));
  inner.append(padding, '\0');
  std::string record;
  ByteWriter writer(record);
  writer.U8(23);
  writer.U16(0x0303);
  writer.U16(static_cast<std::uint16_t>(inner.size() + 16));
  std::string nonce = iv_;
  for (size_t i = 0; i < 8; ++i) {
    nonce[4 + i] = static_cast<char>(nonce[4 + i] ^ static_cast<char>(sequence_ >> (56 - 8 * i)));
  }
  ++sequence_;
  bssl::ScopedEVP_AEAD_CTX aead;
  REQUIRE(EVP_AEAD_CTX_init(aead.get(), EVP_aead_aes_256_gcm(), AsBytes(key_).data(), key_.size(),
                            16, nullptr));
  std::string sealed(inner.size() + 16, '\0');
  size_t length = 0;
  REQUIRE(EVP_AEAD_CTX_seal(aead.get(), reinterpret_cast<std::uint8_t*>(sealed.data()), &length,
                            sealed.size(), AsBytes(nonce).data(), nonce.size(),
                            AsBytes(inner).data(), inner.size(), AsBytes(record).data(),
                            record.size()));
  return record + sealed;
}

}  // namespace aquifer::certs::test
