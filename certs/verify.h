// Is the peer's certificate chain good, and is the peer who it must be? Pure: chain, roots,
// expectation and time in, verdict out. Mesh peers are checked as X509-SVIDs (SPIFFE X.509-SVID
// sections 2-5), servers of ordinary TLS by name (RFC 6125, without the common name). Any thread.
#pragma once

#include <openssl/pool.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "certs/bundle.h"
#include "certs/identity.h"

namespace aquifer::certs {

// Who the peer must be.
struct OneOf {
  std::vector<Identity> identities;  // an empty list fits nobody
};
struct InTrustDomain {
  std::string trust_domain;
};
struct HostName {
  std::string name;  // a DNS name or an IP address, without a port
};
using PeerExpectation = std::variant<OneOf, InTrustDomain, HostName>;

// Which end of the connection the certificate belongs to; its extended key usage must allow that.
enum class PeerRole { kClient, kServer };

// Why a peer was turned away: for our log (`why`) and for the peer (`alert`, RFC 8446 section 6.2).
struct VerifyRefusal {
  Reason reason = Reason::kTlsFailed;
  std::uint8_t alert = 0;
  std::string why;
};

// Has the last word on a chain that is good.
class PathJudge {
 public:
  // `path` is what was verified: the leaf first, a root of ours last.
  virtual std::optional<VerifyRefusal> Judge(const STACK_OF(X509) * path, PeerRole role) = 0;

 protected:
  virtual ~PathJudge() = default;
};

// The identity of a mesh peer; empty when a host name was expected and found.
using VerifiedIdentity = std::optional<Identity>;

// `chain` as the peer sent it: the leaf first, then at most kMaxPeerChain - 1 others.
Result<VerifiedIdentity, VerifyRefusal> VerifyPeer(const STACK_OF(CRYPTO_BUFFER) * chain,
                                                   const RootBundle& roots, PeerRole role,
                                                   const PeerExpectation& expectation, WallTime now,
                                                   PathJudge* judge = nullptr);

inline constexpr size_t kMaxPeerChain = 10;

}  // namespace aquifer::certs
