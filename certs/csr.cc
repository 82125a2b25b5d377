#include "certs/csr.h"

#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>

#include "certs/pem.h"

namespace aquifer::certs {
namespace {

constexpr PemLimits kCsrLimits{.max_bytes = 16 * 1024, .max_blocks = 1};

void AddSubjectNames(X509_REQ* request, const SubjectNames& names) {
  const GeneralNames general = ToGeneralNames(names);
  // Critical because the subject is empty (RFC 5280 section 4.2.1.6).
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_i2d(NID_subject_alt_name, /*crit=*/1, general.get()));
  bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions(sk_X509_EXTENSION_new_null());
  AQ_CHECK(extension != nullptr);
  AQ_CHECK(bssl::PushToStack(extensions.get(), std::move(extension)));
  AQ_CHECK(X509_REQ_add_extensions(request, extensions.get()));
}

Decoded<bssl::UniquePtr<X509_REQ>> ParseDer(Bytes der) {
  const std::uint8_t* at = der.data();
  bssl::UniquePtr<X509_REQ> request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (request == nullptr || at != der.data() + der.size()) {
    return Refusal{"csr", "is not a PKCS#10 request"};
  }
  return request;
}

}  // namespace

std::string MakeCsr(const PrivateKey& key, const Identity& identity) {
  bssl::UniquePtr<X509_REQ> request(X509_REQ_new());
  AQ_CHECK(X509_REQ_set_version(request.get(), X509_REQ_VERSION_1));
  AQ_CHECK(X509_REQ_set_pubkey(request.get(), key.get()));
  AddSubjectNames(request.get(), SubjectNames{.uris = {identity.ToString()}});
  AQ_CHECK(X509_REQ_sign(request.get(), key.get(), EVP_sha256()));
  std::uint8_t* der = nullptr;
  const int length = i2d_X509_REQ(request.get(), &der);
  AQ_CHECK(length > 0);
  std::string pem = MakePem("CERTIFICATE REQUEST", {der, static_cast<size_t>(length)});
  OPENSSL_free(der);
  return pem;
}

Decoded<CertificateRequest> ParseCsr(std::string_view pem) {
  AQ_TRY(std::vector<PemBlock> blocks, ParsePem(pem, kCsrLimits));
  if (blocks.size() != 1 || blocks[0].label != "CERTIFICATE REQUEST") {
    return Refusal{"csr", "is not one CERTIFICATE REQUEST block"};
  }
  AQ_TRY(bssl::UniquePtr<X509_REQ> request, ParseDer(blocks[0].der));
  bssl::UniquePtr<EVP_PKEY> key(X509_REQ_get_pubkey(request.get()));
  ERR_clear_error();
  if (key == nullptr || !IsAcceptableKey(key.get())) {
    return Refusal{"csr", "has a key that is not P-256, P-384 or RSA of 2048 to 4096 bits"};
  }
  const bool verified = X509_REQ_verify(request.get(), key.get()) == 1;
  ERR_clear_error();
  if (!verified) return Refusal{"csr", "is not signed by its own key"};
  AQ_TRY(SubjectNames wished, SubjectNamesOf(request.get()));
  return CertificateRequest{std::move(key), std::move(wished)};
}

}  // namespace aquifer::certs
