#include "hbone/pool.h"

#include <algorithm>

#include "certs/tls_stream.h"
#include "certs/wall_clock.h"
#include "core/rt/timer.h"

namespace aquifer::hbone {
namespace {

constexpr std::chrono::seconds kLastWords(1);
constexpr int kAttempts =
    3;  // a pooled connection may go away just as it is used; nothing was sent on it then

certs::PeerExpectation ExpectationOf(const PoolKey& key) {
  if (key.expected.empty() && !key.expected_trust_domain.empty())
    return certs::InTrustDomain{key.expected_trust_domain};
  return certs::OneOf{key.expected};
}

bool WorthAnotherTry(const Error& error) {
  return error.reason == Reason::kGoAway || error.reason == Reason::kOverload;
}

}  // namespace

using RevocationWatch = std::unique_ptr<certs::Revocations::Watch>;

struct Pool::Connection {
  Connection(io::StreamPtr transport, certs::Identity peer, const http::H2Options& options,
             RevocationWatch watch, StopToken parent)
      : h2(http::H2Role::kClient, std::move(transport), options),
        peer(std::move(peer)),
        watch(std::move(watch)),
        stop(parent) {}

  http::H2Connection h2;
  certs::Identity peer;
  RevocationWatch watch;  // null without revocation lists
  StopSource stop;
  TimePoint last_used = Loop::Current().now();
};

// One attempt to connect, shared by all who wait for it. Its waiters hold it, so its outcome
// outlives the task.
struct Pool::Dial {
  Dial(std::string origin, StopToken parent) : origin(std::move(origin)), stop(parent) {}

  std::string origin;
  StopSource stop;
  Event done;
  bool failed = false;
  TunnelError error;
  std::size_t waiters = 0;
};

struct Pool::Entry {
  // Nothing refers to it any more: neither a connection nor a dial that would put one here.
  bool unused() const { return connections.empty() && dialling == 0; }

  std::vector<std::unique_ptr<Connection>> connections;
  std::shared_ptr<Dial> dial;  // the newest, which takes waiters
  std::size_t dialling = 0;
  // While there was none to be had beside those that carry bulk.
  TimePoint none_until{};
  Clock::duration pause{};
};

Pool::Pool(const PoolOptions& options) : options_(options) {}

Pool::~Pool() { AQ_CHECK(tasks_.live() == 0); }

Task<Result<Tunnel, TunnelError>> Pool::Open(PoolKey key, std::shared_ptr<Dialer> dialer,
                                             certs::TlsContextRef tls, ConnectRequest request,
                                             StopToken stop) {
  bool patient = true;
  for (int attempt = 0; attempt < kAttempts;) {
    if (stop_.requested()) co_return TunnelError::Of(stop_.token().error());
    std::unique_ptr<Entry>& slot = entries_[key];
    if (!slot) slot = std::make_unique<Entry>();
    Connection* connection = FindRoom(*slot, Beside::kNoBulk);
    const bool busy = connection == nullptr && FindRoom(*slot, Beside::kAnything) != nullptr;
    if (busy && !(patient && MayHaveAnother(*slot)))
      connection = FindRoom(*slot, Beside::kAnything);
    if (connection != nullptr) {
      Result<Tunnel, TunnelError> tunnel = co_await OpenOn(*connection, request, stop);
      if (tunnel.ok() || !WorthAnotherTry(tunnel.error().error)) co_return tunnel;
      ++attempt;
      continue;
    }
    // Whoever finds no room among those who wait for a dial dials beside it.
    if (!HasWaitingRoom(*slot)) {
      slot->dial = std::make_shared<Dial>(key.origin, stop_.token());
      dials_.push_back(slot->dial.get());
      ++slot->dialling;
      tasks_.Spawn(RunDial(key, slot->dial, dialer, tls));
    }
    const std::shared_ptr<Dial> dial = slot->dial;
    ++dial->waiters;
    const bool done = co_await Await(*dial, busy, stop);
    --dial->waiters;
    if (stop.requested()) co_return TunnelError::Of(stop.error());
    // With or without it, there is one that works.
    if (busy && (!done || dial->failed)) {
      patient = false;
      NoneToBeHad(key);
    }
    if (!busy && dial->failed) co_return dial->error;
  }
  co_return TunnelError::Of(Error{Reason::kGoAway});
}

// Whether the dial is over; one that is waited for only for comfort is not waited for long.
Task<bool> Pool::Await(Dial& dial, bool briefly, StopToken stop) {
  if (!briefly) {
    std::ignore = co_await dial.done.Wait(stop);
  } else {
    TimedStop brief(stop, options_.patience, Reason::kTimeout);
    std::ignore = co_await dial.done.Wait(brief.token());
  }
  co_return dial.done.is_set();
}

// The first that will do, so that those behind it become idle and end; of those that all carry bulk
// the one with the fewest streams.
Pool::Connection* Pool::FindRoom(Entry& entry, Beside beside) {
  Connection* found = nullptr;
  for (const std::unique_ptr<Connection>& connection : entry.connections) {
    http::H2Connection& h2 = connection->h2;
    if (h2.available_streams() == 0 || h2.open_streams() >= options_.max_streams_per_connection)
      continue;
    if (beside == Beside::kNoBulk) {
      if (h2.open_streams() == 0 || !h2.carries_bulk()) return connection.get();
    } else if (found == nullptr || h2.open_streams() < found->h2.open_streams()) {
      found = connection.get();
    }
  }
  return found;
}

bool Pool::MayDial(const Entry& entry) const {
  return entry.connections.size() + entry.dialling < options_.connections_beside_bulk;
}

bool Pool::MayHaveAnother(const Entry& entry) const {
  return Loop::Current().now() >= entry.none_until && (HasWaitingRoom(entry) || MayDial(entry));
}

void Pool::NoneToBeHad(const PoolKey& key) {
  const auto found = entries_.find(key);
  const TimePoint now = Loop::Current().now();
  // Of those who waited for one dial only the first counts.
  if (found == entries_.end() || now < found->second->none_until) return;
  Entry& entry = *found->second;
  entry.pause = std::clamp(2 * entry.pause, options_.first_pause, options_.longest_pause);
  entry.none_until = now + entry.pause;
}

// As many may wait for one dial as its connection will have room for.
bool Pool::HasWaitingRoom(const Entry& entry) const {
  return entry.dial != nullptr && entry.dial->waiters < options_.max_streams_per_connection;
}

Task<Result<Tunnel, TunnelError>> Pool::OpenOn(Connection& connection,
                                               const ConnectRequest& request, StopToken stop) {
  connection.last_used = Loop::Current().now();
  return OpenTunnel(connection.h2, connection.peer, request, stop);
}

Task<void> Pool::RunDial(PoolKey key, std::shared_ptr<Dial> dial, std::shared_ptr<Dialer> dialer,
                         certs::TlsContextRef tls) {
  Result<std::unique_ptr<Connection>, TunnelError> made =
      co_await Establish(key, *dialer, std::move(tls), dial->stop.token());
  std::erase(dials_, dial.get());
  const auto found = entries_.find(key);
  AQ_CHECK(found != entries_.end());
  Entry& entry = *found->second;
  --entry.dialling;
  if (entry.dial == dial) entry.dial.reset();
  // A stop may come when everything has been done already.
  if (made.ok() && !dial->stop.requested()) {
    Connection* const connection = made->get();
    entry.connections.push_back(*std::move(made));
    entry.none_until = TimePoint();
    entry.pause = Clock::duration();
    ++live_;
    tasks_.Spawn(Drive(key, connection));
    if (!std::exchange(sweeping_, true)) tasks_.Spawn(SweepIdle());
  } else {
    dial->failed = true;
    dial->error = made.ok() ? TunnelError::Of(dial->stop.token().error()) : made.error();
    if (entry.unused()) entries_.erase(found);
  }
  dial->done.Set();
}

Task<Result<std::unique_ptr<Pool::Connection>, TunnelError>> Pool::Establish(
    PoolKey key, Dialer& dialer, certs::TlsContextRef tls, StopToken stop) {
  TimedStop connecting(stop, options_.connect_timeout, Reason::kConnectTimeout);
  Result<io::SocketPtr> socket = co_await dialer.Dial(key.gateway, connecting.token());
  if (!socket) co_return TunnelError::Unreached(socket.error());
  TimedStop shaking(stop, options_.handshake_timeout, Reason::kHandshakeTimeout);
  certs::PeerExpectation expectation = ExpectationOf(key);
  RevocationWatch watch;
  if (options_.revocations != nullptr)
    watch = std::make_unique<certs::Revocations::Watch>(*options_.revocations, stop_.token());
  Result<certs::TlsStreamPtr, certs::TlsFailure> secure = co_await certs::ClientHandshake(
      *std::move(socket), std::move(tls), std::move(expectation), certs::SystemWallTime(),
      shaking.token(), watch.get(), dialer.pace());
  if (!secure) co_return TunnelError::Of(secure.error().error, secure.error().detail);
  const std::optional<certs::Identity> peer = (*secure)->peer();
  if (!peer) co_return TunnelError::Of(Error{Reason::kTlsFailed});
  const StopToken ends = watch != nullptr ? watch->token() : stop_.token();
  http::H2Options h2 = options_.h2;
  h2.settings.gauge = dialer.gauge();
  co_return std::make_unique<Connection>(*std::move(secure), *peer, h2, std::move(watch), ends);
}

Task<void> Pool::Drive(PoolKey key, Connection* connection) {
  std::ignore = co_await connection->h2.Run(connection->stop.token());
  --live_;
  const auto found = entries_.find(key);
  AQ_CHECK(found != entries_.end());
  Entry& entry = *found->second;
  std::erase_if(entry.connections, [connection](const std::unique_ptr<Connection>& c) {
    return c.get() == connection;
  });
  if (entry.unused()) entries_.erase(found);
  ended_.Wake();
}

Task<void> Pool::SweepIdle() {
  while (live_ > 0) {
    const Status slept = co_await SleepFor(
        std::min(options_.idle_timeout, options_.spare_idle_timeout) / 4, stop_.token());
    if (!slept) break;
    const TimePoint now = Loop::Current().now();
    for (auto& [key, entry] : entries_) {
      bool spare = false;  // there is another one before it
      for (const std::unique_ptr<Connection>& connection : entry->connections) {
        if (connection->h2.open_streams() > 0) connection->last_used = now;
        const Clock::duration most =
            spare ? std::min(options_.idle_timeout, options_.spare_idle_timeout)
                  : options_.idle_timeout;
        if (now - connection->last_used >= most) connection->h2.Drain();
        spare = spare || connection->h2.available_streams() > 0;
      }
    }
  }
  sweeping_ = false;
}

std::string Pool::NewOrigin(std::string_view name) {
  return std::string(name) + "#" + std::to_string(++origins_);
}

void Pool::Forget(const std::string& origin) {
  for (Dial* const dial : dials_) {
    if (dial->origin == origin) dial->stop.RequestStop(Reason::kStopped);
  }
  for (auto& [key, entry] : entries_) {
    if (key.origin != origin) continue;
    for (const std::unique_ptr<Connection>& connection : entry->connections)
      connection->stop.RequestStop(Reason::kStopped);
  }
}

bool Pool::HasAny(const std::string& origin) const {
  return std::any_of(entries_.begin(), entries_.end(), [&origin](const auto& row) {
    return row.first.origin == origin && !row.second->connections.empty();
  });
}

Task<void> Pool::Leave(std::string origin) {
  for (auto& [key, entry] : entries_) {
    if (key.origin != origin) continue;
    for (const std::unique_ptr<Connection>& connection : entry->connections) connection->h2.Drain();
  }
  TimedStop timed(stop_.token(), kLastWords, Reason::kDrained);
  while (HasAny(origin)) {
    const Status waited = co_await ended_.Wait(timed.token());
    if (!waited) break;
  }
  Forget(origin);
}

Task<void> Pool::Drain(Clock::duration grace) {
  // Whoever wanted them has gone: what such a dial brings would be nobody's to end.
  for (Dial* const dial : dials_) dial->stop.RequestStop(Reason::kDrained);
  for (auto& [key, entry] : entries_) {
    for (const std::unique_ptr<Connection>& connection : entry->connections) connection->h2.Drain();
  }
  TimedStop timed(stop_.token(), grace, Reason::kDrained);
  while (live_ > 0) {
    const Status waited = co_await ended_.Wait(timed.token());
    if (!waited) break;
  }
}

Task<void> Pool::Shutdown() {
  stop_.RequestStop(Reason::kStopped);
  co_await tasks_.Join();
}

Task<void> Pool::End() {
  co_await Drain(kLastWords);
  co_await Shutdown();
}

}  // namespace aquifer::hbone
