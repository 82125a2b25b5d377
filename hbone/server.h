// The server side of HBONE: one accepted connection from TLS handshake to the last CONNECT stream.
// What a CONNECT leads to is the handler's business; everything before it (who the peer is, that
// the request is one) is settled here. One thread: its Loop's.
#pragma once

#include <functional>
#include <string>

#include "certs/identity.h"
#include "certs/revocation.h"
#include "certs/tls_context.h"
#include "certs/tls_stream.h"
#include "certs/verify.h"
#include "core/http/h2_connection.h"
#include "core/io/keepalive.h"
#include "core/io/socket.h"
#include "hbone/connect.h"

namespace aquifer::hbone {

// A CONNECT that waits for its answer: Accept or Refuse it, then use `stream`.
struct IncomingTunnel {
  http::H2StreamPtr stream;
  ConnectRequest request;
  certs::Identity peer;  // authenticated
  Address peer_address;
  Address local_address;

  // 200: bytes may flow. `baggage` describes the destination.
  Status Accept(std::optional<Baggage> baggage = std::nullopt);
  // Ends the stream with `status`. `refusal` tells an authenticated peer's operator why; empty
  // tells nothing.
  Status Refuse(int status, std::string refusal = {});
};

class ConnectHandler {
 public:
  virtual ~ConnectHandler() = default;
  // `stop` fires when the connection breaks or the proxy ends; an end in good order leaves a tunnel
  // time to deliver what it has received.
  virtual Task<void> OnConnect(IncomingTunnel tunnel, StopToken stop) = 0;
  // A connection that did not become a tunnel's carrier, for log and metrics. `detail` is for the
  // operator.
  virtual void OnHandshakeFailed(const Address& peer, const Address& local, const Error& error,
                                 const std::string& detail) = 0;
  // A request that was refused before it became a CONNECT.
  virtual void OnBadRequest(const Address& peer, const certs::Identity& identity,
                            const Refusal& refusal) = 0;
  // The peer broke the carrier: HTTP/2's rules, its budget of useless work, its answers to pings.
  virtual void OnConnectionBroken(const Address& peer, const certs::Identity& identity,
                                  const Error& error) = 0;
};

struct ServerOptions {
  Clock::duration handshake_timeout = std::chrono::seconds(10);
  io::KeepAlive keepalive;
  // Bounds the handshake beside the timeout, and nothing after it.
  StopToken handshake_stop;
  // Called once the peer has proven who it is.
  std::function<void()> on_authenticated;
  certs::Pace pace;
  http::H2Options h2;
  certs::Revocations* revocations = nullptr;  // null: no peer is revoked
};

// Serves one connection to its end. `drain` asks it to take no more streams and to end with the
// last one; `stop` ends it at once.
Task<void> ServeConnection(io::SocketPtr socket, certs::TlsContextRef tls,
                           certs::PeerExpectation expectation, const ServerOptions& options,
                           ConnectHandler& handler, StopToken drain, StopToken stop);

}  // namespace aquifer::hbone
