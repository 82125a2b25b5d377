#include "certs/bundle.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/sha.h>

#include <array>
#include <set>

#include "absl/strings/str_cat.h"
#include "certs/pem.h"
#include "certs/subject_names.h"

namespace aquifer::certs {
namespace {

constexpr PemLimits kChainLimits{.max_bytes = 64 * 1024, .max_blocks = 10};
// The bundle of a whole operating system has about 150 roots and 220 KiB.
constexpr PemLimits kRootLimits{.max_bytes = 1024 * 1024, .max_blocks = 1024};

struct ParsedCertificate {
  bssl::UniquePtr<CRYPTO_BUFFER> der;
  bssl::UniquePtr<X509> x509;
  CertificateInfo info;
};

std::string SerialOf(const X509* certificate) {
  bssl::UniquePtr<BIGNUM> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (number == nullptr) return "";
  char* text = BN_bn2dec(number.get());
  std::string serial(text == nullptr ? "" : text);
  OPENSSL_free(text);
  return serial;
}

std::optional<WallTime> TimeOf(const ASN1_TIME* time) {
  std::int64_t seconds = 0;
  if (!ASN1_TIME_to_posix(time, &seconds)) return std::nullopt;
  return WallTime(std::chrono::seconds(seconds));
}

Decoded<ParsedCertificate> ParseBlock(const PemBlock& block, std::string field) {
  if (block.label != "CERTIFICATE") return Refusal{field, "is not a CERTIFICATE block"};
  ParsedCertificate parsed;
  parsed.der.reset(CRYPTO_BUFFER_new(block.der.data(), block.der.size(), nullptr));
  AQ_CHECK(parsed.der != nullptr);
  auto x509 = ParseCertificate(parsed.der.get());
  if (!x509) return Refusal{field, x509.error().why};
  parsed.x509 = *std::move(x509);
  const auto not_before = TimeOf(X509_get0_notBefore(parsed.x509.get()));
  const auto not_after = TimeOf(X509_get0_notAfter(parsed.x509.get()));
  if (!not_before || !not_after) return Refusal{field, "has a validity that cannot be read"};
  parsed.info = {MakePem("CERTIFICATE", block.der), SerialOf(parsed.x509.get()), *not_before,
                 *not_after};
  return parsed;
}

Decoded<std::vector<ParsedCertificate>> ParseAll(std::string_view pem, const PemLimits& limits,
                                                 std::string_view field) {
  AQ_TRY(const std::vector<PemBlock> blocks, ParsePem(pem, limits));
  std::vector<ParsedCertificate> all;
  for (const PemBlock& block : blocks) {
    AQ_TRY(ParsedCertificate parsed, ParseBlock(block, absl::StrCat(field, "[", all.size(), "]")));
    all.push_back(std::move(parsed));
  }
  if (all.empty()) return Refusal{std::string(field), "holds no certificate"};
  return all;
}

std::string FingerprintOf(const std::vector<CertificateInfo>& certificates) {
  std::set<std::string_view> sorted;
  for (const CertificateInfo& certificate : certificates) sorted.insert(certificate.pem);
  SHA256_CTX hash;
  SHA256_Init(&hash);
  for (const std::string_view pem : sorted) SHA256_Update(&hash, pem.data(), pem.size());
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
  SHA256_Final(digest.data(), &hash);
  return std::string(AsText(digest));
}

}  // namespace

Decoded<bssl::UniquePtr<X509>> ParseCertificate(const CRYPTO_BUFFER* der) {
  bssl::UniquePtr<X509> x509(X509_parse_from_buffer(der));
  ERR_clear_error();
  if (x509 == nullptr) return Refusal{"", "is not an X.509 certificate"};
  return x509;
}

Decoded<Identity> IdentityOf(const X509* certificate) {
  AQ_TRY(const SubjectNames names, SubjectNamesOf(certificate));
  if (names.uris.size() != 1) {
    return Refusal{"subjectAltName",
                   absl::StrCat("has ", names.uris.size(), " URIs instead of one")};
  }
  auto identity = Identity::Parse(names.uris.front());
  if (!identity) {
    return Refusal{"subjectAltName", "is not a SPIFFE id: " + identity.error().ToString()};
  }
  return identity;
}

Decoded<RootBundleRef> RootBundle::FromPem(std::string_view pem) {
  AQ_TRY(std::vector<ParsedCertificate> all, ParseAll(pem, kRootLimits, "root"));
  auto bundle = std::shared_ptr<RootBundle>(new RootBundle);
  bundle->store_.reset(X509_STORE_new());
  AQ_CHECK(bundle->store_ != nullptr);
  for (ParsedCertificate& root : all) {
    AQ_CHECK(X509_STORE_add_cert(bundle->store_.get(), root.x509.get()));
    bundle->certificates_.push_back(std::move(root.info));
  }
  bundle->fingerprint_ = FingerprintOf(bundle->certificates_);
  bundle->pem_ = pem;
  return RootBundleRef(std::move(bundle));
}

Decoded<CertificateBundle> CertificateBundle::Make(PrivateKey key,
                                                   std::span<const std::string> chain_pem,
                                                   RootBundleRef roots) {
  std::string text;
  for (const std::string& part : chain_pem) absl::StrAppend(&text, part, "\n");
  AQ_TRY(std::vector<ParsedCertificate> all, ParseAll(text, kChainLimits, "certificate"));
  const X509* leaf = all.front().x509.get();
  const bool ours = X509_check_private_key(leaf, key.get()) == 1;
  ERR_clear_error();
  if (!ours) return Refusal{"certificate[0]", "is not for our key"};
  CertificateBundle bundle(std::move(key));
  auto identity = IdentityOf(leaf);
  if (identity) bundle.identity_ = *std::move(identity);
  for (ParsedCertificate& certificate : all) {
    bundle.chain_.push_back(std::move(certificate.der));
    bundle.certificates_.push_back(std::move(certificate.info));
  }
  bundle.roots_ = std::move(roots);
  return bundle;
}

Decoded<CertificateBundle> CertificateBundle::FromResponse(
    PrivateKey key, std::span<const std::string> cert_chain) {
  if (cert_chain.size() < 2) return Refusal{"cert_chain", "has fewer than two elements"};
  AQ_TRY(RootBundleRef roots, RootBundle::FromPem(cert_chain.back()));
  return Make(std::move(key), cert_chain.first(cert_chain.size() - 1), std::move(roots));
}

std::string CertificateBundle::ChainPem() const {
  std::string pem;
  for (const CertificateInfo& certificate : certificates_) pem += certificate.pem;
  return pem;
}

}  // namespace aquifer::certs
