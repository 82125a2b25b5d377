// Certificates as the rest of the program holds them: RootBundle, the roots that a peer's chain may
// end in, and CertificateBundle, our own chain with its key and the roots that came with it. Both
// are made once from PEM, checked whole, and immutable from then on; shared between threads.
#pragma once

#include <openssl/pool.h>
#include <openssl/x509.h>

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "certs/identity.h"
#include "certs/key.h"
#include "certs/wall_clock.h"

namespace aquifer::certs {

// What an operator is shown of one certificate (/config_dump, logs).
struct CertificateInfo {
  std::string pem;
  std::string serial_number;  // decimal
  WallTime not_before;
  WallTime not_after;
};

class RootBundle {
 public:
  // Every CERTIFICATE block is a root; at least one. A block that does not parse refuses the bundle
  // and is named by its position, because a root that silently went missing is an outage later.
  static Decoded<std::shared_ptr<const RootBundle>> FromPem(std::string_view pem);

  X509_STORE* store() const { return store_.get(); }
  const std::vector<CertificateInfo>& certificates() const { return certificates_; }
  // Alike for bundles of the same certificates, in whichever order they stand.
  const std::string& fingerprint() const { return fingerprint_; }
  // The text as given, for handing on to others.
  const std::string& pem() const { return pem_; }

 private:
  RootBundle() = default;

  bssl::UniquePtr<X509_STORE> store_;
  std::vector<CertificateInfo> certificates_;
  std::string fingerprint_;
  std::string pem_;
};

using RootBundleRef = std::shared_ptr<const RootBundle>;

class CertificateBundle {
 public:
  // `chain_pem`: the leaf and then intermediates, in one text or several. The leaf must belong to
  // `key`. Whether it is in date and whom it names is for the caller to judge.
  static Decoded<CertificateBundle> Make(PrivateKey key, std::span<const std::string> chain_pem,
                                         RootBundleRef roots);
  // The layout of istio.v1.auth.IstioCertificateResponse.cert_chain: leaf, intermediates, and last
  // the roots, several in one element.
  static Decoded<CertificateBundle> FromResponse(PrivateKey key,
                                                 std::span<const std::string> cert_chain);

  const PrivateKey& key() const { return key_; }
  // DER, leaf first, as TLS sends it.
  std::span<const bssl::UniquePtr<CRYPTO_BUFFER>> chain() const { return chain_; }
  const std::vector<CertificateInfo>& certificates() const { return certificates_; }
  const CertificateInfo& leaf() const { return certificates_.front(); }
  const RootBundleRef& roots() const { return roots_; }
  // Of the leaf, when it has exactly one URI SAN and that is a SPIFFE id.
  const std::optional<Identity>& identity() const { return identity_; }

  // By the same measure as certs/verify.h applies to peers: the last second does not count.
  bool Expired(WallTime now) const { return now >= leaf().not_after; }
  // The moment at which half of the leaf's life is over.
  WallTime HalfLife() const {
    return leaf().not_before + (leaf().not_after - leaf().not_before) / 2;
  }
  // Chain text, leaf first, for a CertificateBundle elsewhere or a file.
  std::string ChainPem() const;

 private:
  explicit CertificateBundle(PrivateKey key) : key_(std::move(key)) {}

  PrivateKey key_;
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> chain_;
  std::vector<CertificateInfo> certificates_;
  RootBundleRef roots_;
  std::optional<Identity> identity_;
};

// One DER certificate with nothing behind it.
Decoded<bssl::UniquePtr<X509>> ParseCertificate(const CRYPTO_BUFFER* der);

// Exactly one URI SAN, and that a SPIFFE id (X509-SVID section 2): otherwise a refusal.
Decoded<Identity> IdentityOf(const X509* certificate);

}  // namespace aquifer::certs
