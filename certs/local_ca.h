// A certificate authority of our own for a mesh that has no other: a root made here or loaded from
// files, leaves for workloads and for the control plane. Who may have which identity is decided by
// the caller before Issue; the CA signs what it is told. Changes only by being assigned another;
// otherwise any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "certs/bundle.h"
#include "certs/identity.h"
#include "certs/key.h"
#include "certs/subject_names.h"

namespace aquifer::certs {

class LocalCa {
 public:
  // A new P-256 root, valid for ten years. `organization` is shown to people who look at the root.
  static LocalCa Create(std::string_view organization, WallTime now);
  // Refuses a certificate that is not a CA's or does not belong to the key. With intermediates
  // above `certificate_pem`'s first block they follow it in the same text, and `roots_pem` ends the
  // chain.
  static Decoded<LocalCa> FromPem(std::string_view key_pem, std::string_view certificate_pem,
                                  std::string_view roots_pem);
  // <directory>/ca-key.pem, ca-cert.pem and root-cert.pem, the names of Istio's "cacerts" secret.
  static Decoded<LocalCa> Load(const std::string& directory);
  // Writes those three, each whole or not at all; the key readable by its owner only.
  Status Save(const std::string& directory) const;

  // PEM of a leaf for `key` that says `identity` and nothing else, for client and server use. Valid
  // from a little before `now`, for clocks that are behind, until `ttl` after it, or as long as the
  // CA.
  Decoded<std::string> Issue(const EVP_PKEY* key, const Identity& identity,
                             std::chrono::seconds ttl, WallTime now) const;
  // The same for a server that is found by host name; `names` holds DNS names and addresses.
  Decoded<std::string> IssueServer(const EVP_PKEY* key, const SubjectNames& names,
                                   std::chrono::seconds ttl, WallTime now) const;

  std::string KeyPem() const { return authority_.key().ToPem(); }
  // The certificate that signs, and intermediates above it.
  std::string ChainPem() const { return authority_.ChainPem(); }
  // cert_chain of IstioCertificateResponse for a leaf issued here: leaf, intermediates, roots.
  std::vector<std::string> ResponseChain(const std::string& leaf_pem) const;
  const RootBundleRef& roots() const { return authority_.roots(); }
  const CertificateInfo& certificate() const { return authority_.leaf(); }

 private:
  explicit LocalCa(CertificateBundle authority) : authority_(std::move(authority)) {}
  Decoded<std::string> Sign(const EVP_PKEY* key, const SubjectNames& names,
                            std::chrono::seconds ttl, WallTime now) const;

  CertificateBundle authority_;  // its first certificate is the one that signs
};

}  // namespace aquifer::certs
