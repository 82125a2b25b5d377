// Tunnels inside tunnels: a TLS and HTTP/2 session of its own for each connection into another
// network, carried by a stream to that network's gateway. Never shared: the far side chose one of
// its workloads for it, and a second connection must be free to get another. Owns the sessions; one
// a worker, on its loop; destroyed after End.
#pragma once

#include <memory>
#include <vector>

#include "certs/identity.h"
#include "certs/revocation.h"
#include "certs/tls_context.h"
#include "certs/tls_stream.h"
#include "core/io/buffer_gauge.h"
#include "core/io/stream.h"
#include "core/rt/scope.h"
#include "hbone/tunnel.h"

namespace aquifer::hbone {

struct InnerOptions {
  Clock::duration handshake_timeout = std::chrono::seconds(10);
  // How long a session may take to deliver what was said last on it.
  Clock::duration last_words = std::chrono::minutes(1);
  http::H2Options h2;
  certs::Revocations* revocations = nullptr;  // null: no peer is revoked
};

// Whose turn a handshake takes and whose memory its session uses: the pod's that it is for.
struct Charge {
  certs::Pace pace;
  std::shared_ptr<io::BufferGauge> gauge;  // null: not counted
};

struct InnerTunnel {
  io::StreamPtr stream;  // its end is the session's
  ConnectResponse response;
  certs::Identity peer;
};

class InnerSessions {
 public:
  explicit InnerSessions(const InnerOptions& options) : options_(options) {}
  InnerSessions(const InnerSessions&) = delete;
  InnerSessions& operator=(const InnerSessions&) = delete;

  // `carrier` is the stream to the gateway and ends with the session. The peer must be one of
  // `expected`; an empty list fits nobody, and then nothing is sent.
  Task<Result<InnerTunnel, TunnelError>> Open(io::StreamPtr carrier, certs::TlsContextRef tls,
                                              std::vector<certs::Identity> expected,
                                              ConnectRequest request, Charge charge,
                                              StopToken stop);

  // Waits for the sessions that are left, for `grace`, and then ends them.
  Task<void> End(Clock::duration grace);
  std::size_t live() const { return tasks_.live(); }

 private:
  struct Session;
  class Stream;

  static Task<void> Drive(std::shared_ptr<Session> session, Clock::duration last_words);
  static Task<void> EndWhenReleased(Session& session, Clock::duration last_words, StopToken over);

  const InnerOptions options_;
  StopSource stop_;
  Scope tasks_;
};

}  // namespace aquifer::hbone
