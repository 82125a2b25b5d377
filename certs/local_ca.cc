#include "certs/local_ca.h"

#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "certs/file.h"
#include "certs/pem.h"

namespace aquifer::certs {
namespace {

using Certificate = bssl::UniquePtr<X509>;

constexpr std::chrono::days kRootLife(3652);
// Nodes whose clocks are behind must not refuse a certificate that was issued a moment ago.
constexpr std::chrono::minutes kClockSkew(2);
constexpr size_t kMaxCaFileBytes = 1024 * 1024;
constexpr size_t kSerialBytes = 16;

void SetRandomSerial(X509* certificate) {
  std::array<std::uint8_t, kSerialBytes> bytes;
  RAND_bytes(bytes.data(), bytes.size());
  bytes[0] = (bytes[0] & 0x7f) | 0x40;  // positive and always of full length (RFC 5280 4.1.2.2)
  bssl::UniquePtr<BIGNUM> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  AQ_CHECK(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr);
}

void SetValidity(X509* certificate, WallTime from, WallTime until) {
  AQ_CHECK(ASN1_TIME_set_posix(X509_getm_notBefore(certificate), from.time_since_epoch().count()));
  AQ_CHECK(ASN1_TIME_set_posix(X509_getm_notAfter(certificate), until.time_since_epoch().count()));
}

// `value` is one of our own literals: the small language of this call must never see outside text.
void AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  bssl::UniquePtr<X509_EXTENSION> extension(X509V3_EXT_nconf_nid(nullptr, &context, nid, value));
  AQ_CHECK(extension != nullptr);
  AQ_CHECK(X509_add_ext(certificate, extension.get(), -1));
}

Certificate NewCertificate(const EVP_PKEY* key) {
  Certificate certificate(X509_new());
  AQ_CHECK(certificate != nullptr);
  AQ_CHECK(X509_set_version(certificate.get(), X509_VERSION_3));
  AQ_CHECK(X509_set_pubkey(certificate.get(), key));
  SetRandomSerial(certificate.get());
  return certificate;
}

std::string ToPem(X509* certificate) {
  std::uint8_t* der = nullptr;
  const int length = i2d_X509(certificate, &der);
  AQ_CHECK(length > 0);
  std::string pem = MakePem("CERTIFICATE", {der, static_cast<size_t>(length)});
  OPENSSL_free(der);
  return pem;
}

std::string SelfSign(const PrivateKey& key, std::string_view organization, WallTime now) {
  const Certificate root = NewCertificate(key.get());
  X509_NAME* name = X509_get_subject_name(root.get());
  const auto text = AsBytes(organization);
  AQ_CHECK(X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8, text.data(),
                                      static_cast<ossl_ssize_t>(text.size()), -1, 0));
  AQ_CHECK(X509_set_issuer_name(root.get(), name));
  SetValidity(root.get(), now - kClockSkew, now + kRootLife);
  AddExtension(root.get(), root.get(), NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(root.get(), root.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(root.get(), root.get(), NID_subject_key_identifier, "hash");
  AQ_CHECK(X509_sign(root.get(), key.get(), EVP_sha256()));
  return ToPem(root.get());
}

Certificate Parsed(const CertificateBundle& bundle) {
  auto certificate = ParseCertificate(bundle.chain().front().get());
  AQ_CHECK(certificate.ok());  // it was parsed when the bundle was made
  return *std::move(certificate);
}

Decoded<std::string> LoadFile(const std::string& directory, std::string_view name) {
  auto content = ReadSmallFile(absl::StrCat(directory, "/", name), kMaxCaFileBytes);
  if (!content) return Refusal{std::string(name), Describe(content.error())};
  return *std::move(content);
}

}  // namespace

LocalCa LocalCa::Create(std::string_view organization, WallTime now) {
  // 64 characters are the upper bound of an organization name (RFC 5280 appendix A.1).
  PrivateKey key = PrivateKey::Generate();
  const std::string root = SelfSign(key, organization.substr(0, 64), now);
  auto ca = FromPem(key.ToPem(), root, root);
  AQ_CHECK(ca.ok());
  return *std::move(ca);
}

Decoded<LocalCa> LocalCa::FromPem(std::string_view key_pem, std::string_view certificate_pem,
                                  std::string_view roots_pem) {
  AQ_TRY(PrivateKey key, PrivateKey::FromPem(key_pem));
  AQ_TRY(RootBundleRef roots, RootBundle::FromPem(roots_pem));
  const std::string chain(certificate_pem);
  AQ_TRY(CertificateBundle authority,
         CertificateBundle::Make(std::move(key), std::span(&chain, 1), std::move(roots)));
  if (X509_check_ca(Parsed(authority).get()) != 1) {
    return Refusal{"ca-cert.pem", "is not the certificate of a CA"};
  }
  return LocalCa(std::move(authority));
}

Decoded<LocalCa> LocalCa::Load(const std::string& directory) {
  AQ_TRY(const std::string key, LoadFile(directory, "ca-key.pem"));
  AQ_TRY(const std::string certificate, LoadFile(directory, "ca-cert.pem"));
  AQ_TRY(const std::string roots, LoadFile(directory, "root-cert.pem"));
  return FromPem(key, certificate, roots);
}

Status LocalCa::Save(const std::string& directory) const {
  const std::string base = directory + "/";
  AQ_TRY_STATUS(WriteFileWhole(base + "ca-key.pem", KeyPem(), S_IRUSR | S_IWUSR));
  AQ_TRY_STATUS(WriteFileWhole(base + "ca-cert.pem", ChainPem(), 0644));
  return WriteFileWhole(base + "root-cert.pem", authority_.roots()->pem(), 0644);
}

Decoded<std::string> LocalCa::Issue(const EVP_PKEY* key, const Identity& identity,
                                    std::chrono::seconds ttl, WallTime now) const {
  // An Identity built by hand may hold anything; what is signed must parse everywhere.
  AQ_TRY(const Identity checked,
         Identity::Make(identity.trust_domain, identity.ns, identity.service_account));
  SubjectNames names;
  names.uris.push_back(checked.ToString());
  return Sign(key, names, ttl, now);
}

Decoded<std::string> LocalCa::IssueServer(const EVP_PKEY* key, const SubjectNames& names,
                                          std::chrono::seconds ttl, WallTime now) const {
  if (!names.uris.empty()) return Refusal{"names", "hold a URI, which only Issue may grant"};
  if (names.dns.empty() && names.ips.empty()) return Refusal{"names", "are empty"};
  return Sign(key, names, ttl, now);
}

Decoded<std::string> LocalCa::Sign(const EVP_PKEY* key, const SubjectNames& names,
                                   std::chrono::seconds ttl, WallTime now) const {
  if (key == nullptr || !IsAcceptableKey(key)) return Refusal{"key", "is of a kind not signed for"};
  if (ttl <= std::chrono::seconds(0)) return Refusal{"ttl", "is not positive"};
  const WallTime ca_end = authority_.leaf().not_after;
  if (ca_end <= now) return Refusal{"ca", "has expired"};
  const WallTime end = ttl < ca_end - now ? now + ttl : ca_end;
  const Certificate issuer = Parsed(authority_);
  const Certificate leaf = NewCertificate(key);
  AQ_CHECK(X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer.get())));
  SetValidity(leaf.get(), now - kClockSkew, end);
  AddExtension(leaf.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(leaf.get(), issuer.get(), NID_key_usage,
               EVP_PKEY_id(key) == EVP_PKEY_RSA ? "critical,digitalSignature,keyEncipherment"
                                                : "critical,digitalSignature");
  AddExtension(leaf.get(), issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  AddExtension(leaf.get(), issuer.get(), NID_authority_key_identifier, "keyid");
  const GeneralNames general = ToGeneralNames(names);
  // Critical because the subject is empty (RFC 5280 section 4.2.1.6).
  AQ_CHECK(X509_add1_ext_i2d(leaf.get(), NID_subject_alt_name, general.get(), 1, 0));
  const bool is_signed = X509_sign(leaf.get(), authority_.key().get(), EVP_sha256()) > 0;
  ERR_clear_error();
  if (!is_signed) return Refusal{"ca", "cannot sign"};
  return ToPem(leaf.get());
}

std::vector<std::string> LocalCa::ResponseChain(const std::string& leaf_pem) const {
  std::vector<std::string> chain{leaf_pem};
  for (const CertificateInfo& certificate : authority_.certificates()) {
    const auto& roots = authority_.roots()->certificates();
    const bool is_root = std::any_of(roots.begin(), roots.end(), [&](const CertificateInfo& root) {
      return root.pem == certificate.pem;
    });
    if (!is_root) chain.push_back(certificate.pem);
  }
  chain.push_back(authority_.roots()->pem());
  return chain;
}

}  // namespace aquifer::certs
