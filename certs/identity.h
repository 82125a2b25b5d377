// SPIFFE identities of workloads (SPIFFE-ID section 2, in the form Istio gives them): the names
// that certificates carry and that policies speak about. Parsed by bytes, never as C strings: a
// NUL, a query or an escape inside a SAN must not become somebody else's name. Values, any thread.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/result.h"

namespace aquifer::certs {

// SPIFFE-ID 2.3 and 2.1: the whole URI and the trust domain have these limits in bytes.
inline constexpr size_t kMaxSpiffeIdBytes = 2048;
inline constexpr size_t kMaxTrustDomainBytes = 255;

struct Identity {
  std::string trust_domain;
  std::string ns;
  std::string service_account;

  // Exactly spiffe://<trust domain>/ns/<namespace>/sa/<service account>, nothing before or behind.
  static Decoded<Identity> Parse(std::string_view uri);
  // From parts that come from outside (a manifest, an xDS field); refuses what Parse would refuse.
  static Decoded<Identity> Make(std::string_view trust_domain, std::string_view ns,
                                std::string_view service_account);

  std::string ToString() const;

  friend auto operator<=>(const Identity&, const Identity&) = default;
  friend bool operator==(const Identity&, const Identity&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Identity& id) {
    return H::combine(std::move(h), id.trust_domain, id.ns, id.service_account);
  }
};

// Lower-case letters, digits, '.', '-' and '_', at most kMaxTrustDomainBytes of them.
bool IsTrustDomain(std::string_view text);

}  // namespace aquifer::certs
