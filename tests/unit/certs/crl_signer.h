// Revocation lists as a CA signs them, and as only a test may.
#pragma once

#include <openssl/x509.h>

#include <functional>
#include <string>
#include <vector>

#include "certs/local_ca.h"

namespace aquifer::certs::test {

class CrlSigner {
 public:
  // With the key of that CA, which is written out and read for it.
  explicit CrlSigner(const LocalCa& ca);

  struct List {
    std::vector<std::string> serials;  // decimal, as CertificateInfo has them
    WallTime next_update = SystemWallTime() + std::chrono::hours(24);
    std::function<void(X509_CRL*)> change = nullptr;  // before it is signed
  };
  std::string Der(const List& list) const;
  std::string Pem(const List& list) const;
  std::string Pem(std::vector<std::string> serials) const { return Pem(List{std::move(serials)}); }

 private:
  PrivateKey key_;
  bssl::UniquePtr<X509> issuer_;
};

// Adds what is `critical`, of any content.
void ExtendCrl(X509_CRL* list, int nid, std::string_view der, bool critical);

}  // namespace aquifer::certs::test
