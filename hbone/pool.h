// The client side of HBONE: tunnels over pooled connections. A connection is shared by everything
// with the same key, and the key holds whatever changes what the connection means: who we are, who
// the peer must be, where it is, and from which network namespace we dial. Whoever needs a
// connection that is being dialled waits for that dial and shares its outcome, good or bad, so that
// nobody queues behind a dead destination for longer than one deadline. A connection that carries
// bulk is left to it: new streams get another one, as long as there are not too many of them. One
// pool a worker; destroyed after Shutdown.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "certs/identity.h"
#include "certs/revocation.h"
#include "certs/tls_context.h"
#include "core/http/h2_connection.h"
#include "core/rt/scope.h"
#include "hbone/connect.h"
#include "hbone/dialer.h"
#include "hbone/tunnel.h"

namespace aquifer::hbone {

struct PoolKey {
  certs::Identity source;
  std::string origin;  // which socket maker: of NewOrigin, or "" for our own namespace
  std::vector<certs::Identity> expected;  // the peer must be one of these; order does not matter to
                                          // the peer, but makes another key
  std::string expected_trust_domain;  // or anybody of this trust domain, when `expected` is empty
  Address gateway;

  friend bool operator==(const PoolKey&, const PoolKey&) = default;
  template <class H>
  friend H AbslHashValue(H h, const PoolKey& key) {
    return H::combine(std::move(h), key.source, key.origin, key.expected, key.expected_trust_domain,
                      key.gateway);
  }
};

struct PoolOptions {
  Clock::duration connect_timeout = std::chrono::seconds(10);
  Clock::duration handshake_timeout = std::chrono::seconds(10);
  Clock::duration idle_timeout = std::chrono::minutes(5);
  std::size_t max_streams_per_connection = 100;
  // How many connections a key may have so that new streams need not share one with bulk. What
  // streams there are may ask for more.
  std::size_t connections_beside_bulk = 4;
  // How long a stream waits for one of its own when there is one that carries bulk.
  Clock::duration patience = std::chrono::milliseconds(200);
  // For how long nobody waits for one again when none could be had; twice as long each time that
  // there still is none.
  Clock::duration first_pause = std::chrono::seconds(1);
  Clock::duration longest_pause = std::chrono::seconds(30);
  // After which connections that are no longer needed beside others end.
  Clock::duration spare_idle_timeout = std::chrono::seconds(30);
  http::H2Options h2;
  certs::Revocations* revocations = nullptr;  // null: no peer is revoked. Outlives the pool
};

class Pool {
 public:
  explicit Pool(const PoolOptions& options);
  ~Pool();

  // Opens a tunnel, on a pooled connection or a new one. `dialer` is kept until its dial has ended,
  // which may be after the call; `tls` is the client context of key.source.
  Task<Result<Tunnel, TunnelError>> Open(PoolKey key, std::shared_ptr<Dialer> dialer,
                                         certs::TlsContextRef tls, ConnectRequest request,
                                         StopToken stop);

  // Ends each connection once what its tunnels have said is through, and the dials whose callers
  // have gone; those that still carry tunnels after `grace` stay as they are. For a shutdown that
  // loses nothing; no Open meanwhile.
  Task<void> Drain(Clock::duration grace);
  // Ends every connection at once, tunnels included, and waits for them.
  Task<void> Shutdown();
  // Both, for an orderly end of the process: what ended tunnels have said last has its moment to
  // get through.
  Task<void> End();
  // Names a socket maker as no other of this pool is or was named: one that comes after it under
  // the same name (a pod with the uid of its predecessor) neither shares its connections nor loses
  // its own with them.
  std::string NewOrigin(std::string_view name);
  // Ends the connections of one origin, and its dials: its pod is gone.
  void Forget(const std::string& origin);
  // The same in good order for connections whose tunnels have ended: their peers hear of it.
  Task<void> Leave(std::string origin);
  std::size_t connections() const { return live_; }

 private:
  struct Connection;
  struct Dial;
  struct Entry;
  using Entries = absl::flat_hash_map<PoolKey, std::unique_ptr<Entry>>;

  enum class Beside : std::uint8_t { kAnything, kNoBulk };
  Connection* FindRoom(Entry& entry, Beside beside);
  bool MayDial(const Entry& entry) const;
  bool MayHaveAnother(const Entry& entry) const;
  void NoneToBeHad(const PoolKey& key);
  bool HasWaitingRoom(const Entry& entry) const;
  bool HasAny(const std::string& origin) const;
  Task<void> RunDial(PoolKey key, std::shared_ptr<Dial> dial, std::shared_ptr<Dialer> dialer,
                     certs::TlsContextRef tls);
  Task<Result<std::unique_ptr<Connection>, TunnelError>> Establish(PoolKey key, Dialer& dialer,
                                                                   certs::TlsContextRef tls,
                                                                   StopToken stop);
  Task<bool> Await(Dial& dial, bool briefly, StopToken stop);
  Task<void> Drive(PoolKey key, Connection* connection);
  Task<Result<Tunnel, TunnelError>> OpenOn(Connection& connection, const ConnectRequest& request,
                                           StopToken stop);
  Task<void> SweepIdle();

  PoolOptions options_;
  Entries entries_;
  std::vector<Dial*> dials_;  // that are under way
  std::size_t live_ = 0;
  std::uint64_t origins_ = 0;
  Event ended_;  // woken whenever a connection has ended
  bool sweeping_ = false;
  StopSource stop_;
  Scope tasks_;
};

}  // namespace aquifer::hbone
