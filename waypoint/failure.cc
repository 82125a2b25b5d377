#include "waypoint/failure.h"

namespace aquifer::waypoint {

ReplyKind ReplyForFailure(const Error& error) {
  switch (error.reason) {
    case Reason::kTimeout:
      return ReplyKind::kUpstreamTimeout;
    case Reason::kHttpFailed:
    case Reason::kBadRequest:
      return ReplyKind::kUpstreamProtocol;
    case Reason::kOverload:
      return ReplyKind::kOverload;
    default:
      return ReplyKind::kUpstreamReset;
  }
}

ReplyKind ReplyForNoCall(const Error& error) {
  switch (error.reason) {
    case Reason::kTimeout:
      return ReplyKind::kUpstreamTimeout;
    case Reason::kNoHealthyUpstream:
      return ReplyKind::kNoHealthyUpstream;
    case Reason::kUnknownDestination:
      return ReplyKind::kInvalidRoute;
    case Reason::kConnectTimeout:
    case Reason::kHandshakeTimeout:
      return ReplyKind::kConnectTimeout;
    case Reason::kOverload:
      return ReplyKind::kOverload;
    default:
      return ReplyKind::kConnectFailure;
  }
}

}  // namespace aquifer::waypoint
