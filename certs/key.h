// Private keys of workloads, of the control plane and of the local CA: P-256 when made here, PKCS#8
// PEM at rest. A handle to one immutable key; copies share it. Any thread.
#pragma once

#include <openssl/evp.h>

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace aquifer::certs {

class PrivateKey {
 public:
  static PrivateKey Generate();
  // One block, not encrypted: PKCS#8 "PRIVATE KEY", or the older "EC PRIVATE KEY" (RFC 5915) and
  // "RSA PRIVATE KEY" (RFC 8017) that kubeconfigs hold. P-256, P-384 or RSA of 2048 to 4096 bits,
  // since keys that operators bring are of all three kinds.
  static Decoded<PrivateKey> FromPem(std::string_view pem);

  PrivateKey(const PrivateKey& other) : key_(bssl::UpRef(other.key_)) {}
  PrivateKey& operator=(const PrivateKey& other) {
    key_ = bssl::UpRef(other.key_);
    return *this;
  }
  PrivateKey(PrivateKey&&) = default;
  PrivateKey& operator=(PrivateKey&&) = default;

  std::string ToPem() const;
  EVP_PKEY* get() const { return key_.get(); }

 private:
  explicit PrivateKey(bssl::UniquePtr<EVP_PKEY> key) : key_(std::move(key)) {}

  bssl::UniquePtr<EVP_PKEY> key_;
};

// Of a kind and size that we sign and verify with; the bound keeps a stranger's CSR or key from
// costing seconds of arithmetic.
bool IsAcceptableKey(const EVP_PKEY* key);

}  // namespace aquifer::certs
