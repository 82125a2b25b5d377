// The closed list of why a connection, a stream or an operation ended. Every value has a word for
// logs, a response flag for the access log and the metrics (the flags of Istio's node proxy, spec
// of istio_tcp_* "response_flags"), and at least one test that produces it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace aquifer {

struct Error;

enum class Reason : std::uint8_t {
  kOk,                     // ended as it should
  kStopped,                // our own side was asked to stop (shutdown, scope ended)
  kDrained,                // the drain deadline passed
  kSystem,                 // a system call failed; os_error says how
  kPeerClosed,             // FIN where more was due
  kPeerReset,              // RST, broken pipe, RST_STREAM
  kConnectRefused,         // the destination refused the connection
  kConnectTimeout,         // no answer to the connect in time
  kHandshakeTimeout,       // TLS or HTTP/2 did not get through in time
  kTlsFailed,              // TLS: alert, bad record, no ALPN, no certificate
  kIdentityMismatch,       // the peer's certificate is valid, but for somebody else
  kIdentityUnavailable,    // we have no certificate for the workload
  kRevoked,                // a certificate of the connection was revoked
  kHttpFailed,             // HTTP/1 or HTTP/2 framing broken by the peer
  kConnectRejected,        // the CONNECT was answered with a status other than 200
  kGoAway,                 // the tunnel is going away; a new one is needed
  kBadRequest,             // the peer asked for something malformed
  kPolicyDenied,           // refused by an authorization policy
  kPolicyChanged,          // was allowed, then a policy changed
  kUnknownWorkload,        // the captured pod is not in the mesh model
  kUnknownDestination,     // nothing known by that address or name
  kUnknownWaypoint,        // a waypoint is bound, but cannot be resolved
  kUnreadableResource,     // what the control plane says of it cannot be read
  kNoHealthyUpstream,      // the service has no endpoint that could be used
  kNoOriginalDestination,  // the kernel does not know where the connection was going
  kLoop,                   // the connection would come back to ourselves
  kAddressMismatch,        // CONNECT for an address that is not ours to serve
  kOverload,               // a limit of ours was reached
  kNotFound,               // a name, file or object is not there
  kTimeout,                // a deadline passed
  kUnsupported,            // the kernel or the peer cannot do this
};

inline constexpr int kReasonCount = static_cast<int>(Reason::kUnsupported) + 1;

// A short word for logs and metric labels, such as "policy_denied".
std::string_view ReasonWord(Reason reason);

// The response flag of the access log and of istio_tcp_*: "-", "CONNECT", "DENY", "TLS_FAILURE",
// "H2_HANDSHAKE_FAILURE", "NETWORK_POLICY", "IDENTITY_ERROR" or "CERT_REVOKED".
std::string_view ResponseFlag(Reason reason);

// A sentence fragment for the operator, with the system's own text when there is one: "connection
// refused by the destination".
std::string Describe(const Error& error);

// The reason that best says what an errno value means for a connection.
Reason ReasonFromErrno(int os_error);

}  // namespace aquifer
