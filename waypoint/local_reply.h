// Answers that the proxy gives by itself: denials, no route, no backend, timeouts, redirects.
// Status, text and fields are those that clients and scripts of Istio's users know, byte for byte.
// Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/message.h"

namespace aquifer::waypoint {

enum class ReplyKind : std::uint8_t {
  kDenied,             // 403 by an authorization policy
  kNoRoute,            // 404: no rule matches
  kInvalidRoute,       // 500: the rule or backend chosen cannot be used
  kNoHealthyUpstream,  // 503: the service has no endpoint
  kConnectFailure,     // 503: no endpoint could be reached
  kConnectTimeout,     // 503: no endpoint answered the connect
  kUpstreamReset,      // 503: the connection broke before the response began
  kUpstreamProtocol,   // 502: the response could not be understood
  kUpstreamTimeout,    // 504: a timeout of the route passed
  kOverload,           // 503: a limit of ours was reached
  kBadRequest,         // 400: nothing that should be forwarded
  kHttp10,             // 426
  kRedirect,           // as the route says
  kPreflight,          // 200 by CORS
};

struct LocalReply {
  ReplyKind kind = ReplyKind::kNoRoute;
  int status = 404;
  std::string body;
  int grpc_status = 12;
  http::HeaderList fields;  // of its own, such as location

  // Access log and metrics: Envoy's response flags and response code details.
  std::string_view flags = "-";
  std::string details;
};

// With the status, text and flags that belong to `kind`.
LocalReply MakeReply(ReplyKind kind);
// A redirect or a preflight's answer; status 0 leaves that of the kind.
LocalReply MakeReply(ReplyKind kind, int status, http::HeaderList fields);

// Whether the client speaks gRPC, so that errors go into grpc-status.
bool IsGrpc(const http::HeaderList& request_headers);

// The head as it goes out. The body is `reply.body`, or nothing for gRPC and HEAD.
http::ResponseHead ReplyHead(const LocalReply& reply, bool grpc, std::string_view date);

}  // namespace aquifer::waypoint
