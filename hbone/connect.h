// The CONNECT request that opens a tunnel and its answer, as header lists: RFC 9113 section 8.5
// with Istio's HBONE fields. No socket. Everything in a request comes from a peer: only the
// authority decides where bytes go; baggage and forwarded merely describe, and are believed as far
// as the authenticated identity allows (the caller's business). Values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/http/message.h"
#include "hbone/baggage.h"

namespace aquifer::hbone {

// The default port of HBONE servers.
inline constexpr std::uint16_t kPort = 15008;

// ":authority" as a host name: the receiver resolves it in its own model.
struct HostPort {
  std::string host;  // lower case
  std::uint16_t port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

using Authority = std::variant<Address, HostPort>;

// "10.0.0.1:80", "[fd00::1]:80" or "name.example:80". The port is mandatory and not 0.
std::optional<Authority> ParseAuthority(std::string_view text);
std::string ToString(const Authority& authority);

struct ConnectRequest {
  Authority authority;
  Baggage baggage;                       // who the client is, in Kubernetes' terms
  std::optional<Address> forwarded_for;  // the client's own address
  std::string forwarded_host;            // the service it meant; empty if none
  std::string traceparent;               // empty if none
  std::string forwarded_network;         // x-forwarded-network; empty if none
};

// What a client sends: method, authority and header fields.
http::RequestHead EncodeRequest(const ConnectRequest& request);
// What a server makes of a request. The refusal names the field; answer 400.
Decoded<ConnectRequest> DecodeRequest(const http::RequestHead& head);

// An answer. 200 opens the tunnel; everything else refuses.
struct ConnectResponse {
  int status = 200;
  std::optional<Baggage> baggage;  // of the destination workload
  // Why it was refused, for the operator of an authenticated peer: a reason word and, for policies,
  // the policy's name. Our own field: other implementations ignore it.
  std::string refusal;
};
http::ResponseHead EncodeResponse(const ConnectResponse& response);
Decoded<ConnectResponse> DecodeResponse(const http::ResponseHead& head);

// The value of a "forwarded" field (RFC 7239): for="ip:port" and host=name. Other parameters and
// malformed ones are left out.
struct Forwarded {
  std::optional<Address> for_address;
  std::string host;
};
Forwarded ParseForwarded(std::string_view value);

}  // namespace aquifer::hbone
