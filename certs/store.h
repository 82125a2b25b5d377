// The certificates of this process: one an identity, fetched once however many ask, renewed at
// half-life, the last good one kept when that fails. Lives on the control loop; workers hold a
// CertCache (certs/cache.h) and get every change pushed. What it does when:
//   first request   fetch; on failure everyone who waits is told, and asked again after a back-off
//   other roots     a certificate came with roots that others lack: those are renewed soon, spread
//                   out, so that a rotation of the CA is everywhere within minutes
//   half-life       fetch behind everything more urgent; on failure back off and keep the old one
//   expiry          the certificate counts as absent; fetches go on
//   Forget          the fetch is stopped, the certificate dropped, everyone told
// Outlives the caches' loops' use of it: it ends after its loop has run for the last time.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "certs/authority.h"
#include "certs/wall_clock.h"
#include "certs/workload_certificate.h"
#include "core/base/list.h"
#include "core/rt/scope.h"
#include "core/rt/stop.h"
#include "core/rt/timer.h"

namespace aquifer::certs {

// Who is waiting: more urgent requests overtake.
enum class Urgency : std::uint8_t { kRenewal, kPrefetch, kConnection };
inline constexpr size_t kUrgencies = 3;

struct FetchFailure {
  const Identity& identity;
  const Failure& failure;
  bool kept;    // an older certificate still serves
  bool urgent;  // there was a certificate, and less than a tenth of its life is left
};

struct StoreOptions {
  size_t max_outstanding = 8;        // requests at the CA at a time
  size_t max_prefetch_queued = 256;  // beyond that a prefetch is left to the first connection
  Clock::duration request_timeout = std::chrono::seconds(30);
  Clock::duration first_backoff = std::chrono::seconds(1);  // then doubled
  Clock::duration longest_backoff = std::chrono::seconds(150);
  // How long renewals for other roots are spread over; and the least time between two of one
  // identity, which doubles up to the longest while roots go on changing: replicas of a CA may
  // disagree.
  Clock::duration rotation_spread = std::chrono::seconds(30);
  Clock::duration rotation_pause = std::chrono::minutes(5);
  Clock::duration longest_rotation_pause = std::chrono::hours(1);
  KeyExchange groups = KeyExchange::kHybridPreferred;
  std::uint64_t seed = std::random_device()();  // of the back-off's +-20 %
  // Told of each failed attempt, for log and metrics.
  std::function<void(const FetchFailure&)> on_failure;
};

// What became known about an identity: a certificate, or why there is none.
struct CertUpdate {
  Identity identity;
  CertRef certificate;     // null: none that could be used
  Error error;             // why, then
  bool forgotten = false;  // nobody is to have one any more
};

// Called on the store's loop; must not wait nor resume a coroutine. False: nobody listens any more.
using CertListener = std::function<bool(const CertUpdate&)>;

// For /config_dump.
struct CertStatus {
  enum class State { kInitializing, kAvailable, kUnavailable };
  Identity identity;
  State state;
  CertRef certificate;  // the last good one, which may have expired
  std::string failure;  // of the last attempt, if it failed
};

// For alarms.
struct CertCounts {
  size_t initializing = 0;
  size_t available = 0;
  size_t unavailable = 0;
  std::optional<WallTime> soonest_expiry;  // which may have passed
};

class CertStore {
 public:
  // `authority` outlives the store.
  CertStore(Authority& authority, WallClock clock, const StoreOptions& options = {});
  CertStore(const CertStore&) = delete;
  CertStore& operator=(const CertStore&) = delete;
  ~CertStore();

  // Serves until `stop`; the requests then outstanding are stopped and awaited.
  Task<Status> Run(StopToken stop);

  // The answer comes through the listeners, or at once through `reply` when it is known already.
  void Request(const Identity& identity, Urgency urgency, const CertListener& reply = nullptr);
  // The last workload of `identity` has gone.
  void Forget(const Identity& identity);
  // Hears of every change from now on.
  void Listen(CertListener listener);

  std::vector<CertStatus> Dump() const;
  CertCounts Count() const;
  // Everyone who was asked for and not forgotten since.
  std::vector<Identity> Identities() const;

 private:
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;

  CertRef Usable(const Entry& entry) const;
  CertStatus::State StateOf(const Entry& entry) const;
  bool HasOldRoots(const Entry& entry) const;
  bool IsUrgent(const Entry& entry) const;
  void Enqueue(Entry& entry, Urgency urgency);
  void Pump();
  Entry* NextInQueue();
  Task<void> FetchOne(EntryPtr entry);
  void Take(Entry& entry, Result<CertificateBundle, Failure> answer);
  void Succeed(Entry& entry, CertificateBundle bundle);
  void Fail(Entry& entry, Failure failure);
  void Due(Entry& entry);
  void CompareRoots(Entry& entry);
  void ArmForRoots(Entry& entry);
  void ArmForRenewal(Entry& entry);
  void Arm(Entry& entry, Clock::duration wait);
  Clock::duration Until(WallTime moment) const;
  Clock::duration NextBackoff(Entry& entry);
  void Publish(const CertUpdate& update);

  Authority& authority_;
  WallClock clock_;
  StoreOptions options_;
  std::minstd_rand random_;
  StopSource stopping_;  // before the entries, which hold its token
  absl::flat_hash_map<Identity, EntryPtr> entries_;
  std::string roots_;  // fingerprint of the newest
  TimePoint roots_since_{};
  TimePoint pause_since_{};  // when roots_pause_ was last set
  Clock::duration roots_pause_{0};
  bool rotated_ = false;  // roots_ has changed once
  // Waiting for a free place at the CA, by Urgency, in order of arrival.
  std::array<List<Entry>, kUrgencies> queues_;
  size_t prefetches_queued_ = 0;
  size_t outstanding_ = 0;
  bool running_ = false;
  std::vector<CertListener> listeners_;
  Scope fetches_;
};

std::string_view StateName(CertStatus::State state);  // "Available", as in Istio's dumps

}  // namespace aquifer::certs
