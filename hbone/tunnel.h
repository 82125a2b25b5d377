// One CONNECT from the client's side: the request on a connection that somebody drives, and what
// comes of it. Values and one call; one thread: its Loop's.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "certs/identity.h"
#include "core/http/h2_connection.h"
#include "hbone/connect.h"

namespace aquifer::hbone {

// Why there is no tunnel. `status` and `refusal` are the peer's answer when it gave one; `detail`
// is for the log.
struct TunnelError {
  Error error;
  int status = 0;
  std::string refusal;
  std::string detail;
  std::optional<certs::Identity> peer;  // who refused, when it was the peer
  bool unreached = false;  // there was no connection to send anything on: nobody was asked

  // Nobody has answered.
  static TunnelError Of(const Error& error, std::string detail = {}) {
    return TunnelError{error, 0, {}, std::move(detail), {}};
  }
  // Nobody was asked.
  static TunnelError Unreached(const Error& error) {
    TunnelError failed = Of(error);
    failed.unreached = true;
    return failed;
  }
};

struct Tunnel {
  http::H2StreamPtr stream;
  ConnectResponse response;
  certs::Identity peer;
};

// Asks for a tunnel and waits for the answer. `connection` may end meanwhile, and be gone once the
// call has suspended; `peer` is who it leads to.
Task<Result<Tunnel, TunnelError>> OpenTunnel(http::H2Connection& connection, certs::Identity peer,
                                             const ConnectRequest& request, StopToken stop);

}  // namespace aquifer::hbone
