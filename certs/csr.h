// Certificate signing requests (RFC 2986): made for a workload's identity, and taken apart by the
// CA. What a request says about names is a wish; who may have which is decided elsewhere
// (certs/local_ca.h takes the identity as an argument). Any thread.
#pragma once

#include <string>
#include <string_view>

#include "certs/identity.h"
#include "certs/key.h"
#include "certs/subject_names.h"

namespace aquifer::certs {

// PEM of a request for `identity`: empty subject, the SPIFFE URI as the only SAN, signed with
// SHA-256.
std::string MakeCsr(const PrivateKey& key, const Identity& identity);

struct CertificateRequest {
  bssl::UniquePtr<EVP_PKEY> public_key;
  SubjectNames wished;
};

// One PEM block of at most 16 KiB whose own signature holds, with a key that IsAcceptableKey.
Decoded<CertificateRequest> ParseCsr(std::string_view pem);

}  // namespace aquifer::certs
