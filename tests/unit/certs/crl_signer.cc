#include "tests/unit/certs/crl_signer.h"

#include <openssl/bn.h>
#include <openssl/mem.h>
#include <stdlib.h>

#include <filesystem>

#include "certs/file.h"
#include "certs/pem.h"
#include "tests/support/catch.h"

namespace aquifer::certs::test {
namespace {

struct Saved {
  std::string key;
  std::string certificate;
};

Saved Save(const LocalCa& ca) {
  std::string directory = "/tmp/aquifer-crl-XXXXXX";
  REQUIRE(::mkdtemp(directory.data()) != nullptr);
  REQUIRE(ca.Save(directory).ok());
  Saved saved{*ReadSmallFile(directory + "/ca-key.pem", 65536),
              *ReadSmallFile(directory + "/ca-cert.pem", 65536)};
  std::filesystem::remove_all(directory);
  return saved;
}

PrivateKey KeyOf(const LocalCa& ca) { return *PrivateKey::FromPem(Save(ca).key); }

bssl::UniquePtr<X509> Parse(const std::string& pem) {
  const auto blocks = ParsePem(pem, {});
  REQUIRE(blocks.ok());
  const Bytes der = blocks->front().der;
  const bssl::UniquePtr<CRYPTO_BUFFER> buffer(CRYPTO_BUFFER_new(der.data(), der.size(), nullptr));
  return *ParseCertificate(buffer.get());
}

bssl::UniquePtr<ASN1_TIME> Asn1Time(WallTime time) {
  return bssl::UniquePtr<ASN1_TIME>(ASN1_TIME_set_posix(nullptr, time.time_since_epoch().count()));
}

void AddEntry(X509_CRL* list, const std::string& serial, const ASN1_TIME* when) {
  BIGNUM* parsed = nullptr;
  REQUIRE(BN_dec2bn(&parsed, serial.c_str()) > 0);
  const bssl::UniquePtr<BIGNUM> number(parsed);
  const bssl::UniquePtr<ASN1_INTEGER> integer(BN_to_ASN1_INTEGER(number.get(), nullptr));
  bssl::UniquePtr<X509_REVOKED> entry(X509_REVOKED_new());
  REQUIRE(X509_REVOKED_set_serialNumber(entry.get(), integer.get()));
  REQUIRE(X509_REVOKED_set_revocationDate(entry.get(), when));
  REQUIRE(X509_CRL_add0_revoked(list, entry.release()));
}

}  // namespace

CrlSigner::CrlSigner(const LocalCa& ca) : key_(KeyOf(ca)), issuer_(Parse(ca.certificate().pem)) {}

std::string CrlSigner::Der(const List& list) const {
  const bssl::UniquePtr<X509_CRL> made(X509_CRL_new());
  REQUIRE(X509_CRL_set_version(made.get(), X509_CRL_VERSION_2));
  REQUIRE(X509_CRL_set_issuer_name(made.get(), X509_get_subject_name(issuer_.get())));
  const auto since = Asn1Time(list.next_update - std::chrono::hours(48));
  const auto next = Asn1Time(list.next_update);
  REQUIRE(X509_CRL_set1_lastUpdate(made.get(), since.get()));
  REQUIRE(X509_CRL_set1_nextUpdate(made.get(), next.get()));
  for (const std::string& serial : list.serials) AddEntry(made.get(), serial, since.get());
  if (list.change) list.change(made.get());
  REQUIRE(X509_CRL_sign(made.get(), key_.get(), EVP_sha256()) > 0);
  std::uint8_t* der = nullptr;
  const int length = i2d_X509_CRL(made.get(), &der);
  REQUIRE(length > 0);
  const std::string bytes(AsText({der, static_cast<std::size_t>(length)}));
  OPENSSL_free(der);
  return bytes;
}

std::string CrlSigner::Pem(const List& list) const {
  return MakePem("X509 CRL", AsBytes(Der(list)));
}

void ExtendCrl(X509_CRL* list, int nid, std::string_view der, bool critical) {
  const bssl::UniquePtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
  const Bytes bytes = AsBytes(der);
  REQUIRE(ASN1_OCTET_STRING_set(value.get(), bytes.data(), static_cast<int>(bytes.size())));
  const bssl::UniquePtr<X509_EXTENSION> extension(
      X509_EXTENSION_create_by_NID(nullptr, nid, critical ? 1 : 0, value.get()));
  REQUIRE(X509_CRL_add_ext(list, extension.get(), -1));
}

}  // namespace aquifer::certs::test
