#include "core/base/reason.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "core/base/check.h"
#include "core/base/result.h"

namespace aquifer {
namespace {

struct Row {
  Reason reason;
  std::string_view word;
  std::string_view flag;
  std::string_view text;
};

constexpr std::array<Row, kReasonCount> kRows = {{
    {Reason::kOk, "ok", "-", "ended as it should"},
    {Reason::kStopped, "stopped", "CONNECT", "stopped by the proxy"},
    {Reason::kDrained, "drained", "CONNECT", "connection failed to drain within the timeout"},
    {Reason::kSystem, "system", "CONNECT", "system call failed"},
    {Reason::kPeerClosed, "peer_closed", "CONNECT", "closed by the peer before the end"},
    {Reason::kPeerReset, "peer_reset", "CONNECT", "reset by the peer"},
    {Reason::kConnectRefused, "connect_refused", "CONNECT",
     "connection refused by the destination"},
    {Reason::kConnectTimeout, "connect_timeout", "NETWORK_POLICY",
     "connection timed out; if the destination is up, a NetworkPolicy may be blocking HBONE port "
     "15008"},
    {Reason::kHandshakeTimeout, "handshake_timeout", "TLS_FAILURE",
     "the peer did not finish the handshake in time"},
    {Reason::kTlsFailed, "tls_failed", "TLS_FAILURE", "TLS failed"},
    {Reason::kIdentityMismatch, "identity_mismatch", "TLS_FAILURE",
     "the peer's certificate names another identity"},
    {Reason::kIdentityUnavailable, "identity_unavailable", "IDENTITY_ERROR",
     "no certificate for this workload"},
    {Reason::kRevoked, "revoked", "CERT_REVOKED", "a certificate of this connection was revoked"},
    {Reason::kHttpFailed, "http_failed", "H2_HANDSHAKE_FAILURE", "the peer broke HTTP framing"},
    {Reason::kConnectRejected, "connect_rejected", "CONNECT", "the peer refused the CONNECT"},
    {Reason::kGoAway, "go_away", "CONNECT", "the tunnel is going away"},
    {Reason::kBadRequest, "bad_request", "CONNECT", "malformed request"},
    {Reason::kPolicyDenied, "policy_denied", "DENY", "connection closed due to policy rejection"},
    {Reason::kPolicyChanged, "policy_changed", "DENY", "connection closed due to policy change"},
    {Reason::kUnknownWorkload, "unknown_workload", "CONNECT",
     "failed to fetch information about local workload"},
    {Reason::kUnknownDestination, "unknown_destination", "CONNECT", "unknown destination"},
    {Reason::kUnknownWaypoint, "unknown_waypoint", "CONNECT", "unknown waypoint"},
    {Reason::kUnreadableResource, "unreadable_resource", "CONNECT",
     "what the control plane says of the destination cannot be read"},
    {Reason::kNoHealthyUpstream, "no_healthy_upstream", "CONNECT", "no healthy upstream"},
    {Reason::kNoOriginalDestination, "no_original_destination", "CONNECT",
     "no original destination"},
    {Reason::kLoop, "loop", "CONNECT", "the connection would come back to the proxy itself"},
    {Reason::kAddressMismatch, "address_mismatch", "CONNECT",
     "ip mismatch: the CONNECT names an address that is not served here"},
    {Reason::kOverload, "overload", "CONNECT", "a limit of the proxy was reached"},
    {Reason::kNotFound, "not_found", "CONNECT", "not found"},
    {Reason::kTimeout, "timeout", "CONNECT", "deadline passed"},
    {Reason::kUnsupported, "unsupported", "CONNECT", "not supported here"},
}};

const Row& RowOf(Reason reason) {
  const Row& row = kRows.at(static_cast<size_t>(reason));
  AQ_DCHECK(row.reason == reason);
  return row;
}

}  // namespace

std::string_view ReasonWord(Reason reason) { return RowOf(reason).word; }

std::string_view ResponseFlag(Reason reason) { return RowOf(reason).flag; }

std::string Describe(const Error& error) {
  std::string text(RowOf(error.reason).text);
  if (error.os_error != 0) {
    std::array<char, 128> buffer{};
    text += ": ";
    text += strerror_r(error.os_error, buffer.data(), buffer.size());
  }
  return text;
}

Reason ReasonFromErrno(int os_error) {
  switch (os_error) {
    case 0:
      return Reason::kOk;
    case ECANCELED:
      return Reason::kStopped;
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ECONNABORTED:
      return Reason::kPeerReset;
    case ECONNREFUSED:
      return Reason::kConnectRefused;
    case ETIMEDOUT:
      return Reason::kConnectTimeout;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return Reason::kOverload;
    case ENOENT:
      return Reason::kNotFound;
    case ENOSYS:
    case EOPNOTSUPP:
      return Reason::kUnsupported;
    default:
      return Reason::kSystem;
  }
}

}  // namespace aquifer
