#include "certs/store.h"

#include <algorithm>

#include "core/rt/event.h"
#include "core/rt/loop.h"

namespace aquifer::certs {
namespace {

// A timer looks at the calendar at least that often: somebody may set the clock.
constexpr std::chrono::seconds kLongestSleep = std::chrono::hours(1);
// However short-lived a CA makes its certificates, renewing must not become a busy loop.
constexpr Clock::duration kShortestSleep = std::chrono::seconds(1);

CertUpdate Absent(const Identity& identity, const Error& error) {
  return CertUpdate{identity, nullptr, error};
}

}  // namespace

std::string_view StateName(CertStatus::State state) {
  switch (state) {
    case CertStatus::State::kInitializing:
      return "Initializing";
    case CertStatus::State::kAvailable:
      return "Available";
    case CertStatus::State::kUnavailable:
      return "Unavailable";
  }
  return "";
}

struct CertStore::Entry final : ListNode, Timer, std::enable_shared_from_this<Entry> {
  Entry(CertStore& owner, const Identity& id)
      : store(owner), identity(id), stop(owner.stopping_.token()) {}
  ~Entry() { AQ_CHECK(!armed()); }
  void OnTimer() override { store.Due(*this); }

  CertStore& store;
  const Identity identity;
  CertRef certificate;
  std::optional<Failure> failure;  // of the last attempt
  Urgency queued_as = Urgency::kRenewal;
  bool fetching = false;
  bool forgotten = false;
  TimePoint asked{};    // when the last request went out
  TimePoint fetched{};  // when `certificate` came
  Clock::duration backoff{0};
  StopSource stop;
};

CertStore::CertStore(Authority& authority, WallClock clock, const StoreOptions& options)
    : authority_(authority),
      clock_(std::move(clock)),
      options_(options),
      random_(static_cast<std::minstd_rand::result_type>(options.seed)) {}

CertStore::~CertStore() { AQ_CHECK(!running_); }

Task<Status> CertStore::Run(StopToken stop) {
  AQ_CHECK(!running_);
  running_ = true;
  Pump();
  Event never;
  const Status ended = co_await never.Wait(stop);
  stopping_.RequestStop(ended.error().reason);
  co_await fetches_.Join();
  for (const auto& [identity, entry] : entries_) {
    Loop::Current().timers().Cancel(*entry);
    if (Usable(*entry) == nullptr) Publish(Absent(identity, ended.error()));
  }
  running_ = false;
  co_return ended;
}

void CertStore::Request(const Identity& identity, Urgency urgency, const CertListener& reply) {
  const auto answer = [&](const CertUpdate& update) {
    if (reply) reply(update);
  };
  if (stopping_.requested()) return answer(Absent(identity, Error{stopping_.reason()}));
  EntryPtr entry;
  if (const auto found = entries_.find(identity); found != entries_.end()) entry = found->second;
  if (entry == nullptr) {
    if (urgency == Urgency::kPrefetch && prefetches_queued_ >= options_.max_prefetch_queued) return;
    entry = std::make_shared<Entry>(*this, identity);
    entries_[identity] = entry;
  }
  if (CertRef usable = Usable(*entry)) return answer(CertUpdate{identity, std::move(usable), {}});
  // Armed without a certificate: it is backing off, and nobody is made to wait for that.
  if (entry->failure && entry->armed()) {
    return answer(Absent(identity, Error{Reason::kIdentityUnavailable}));
  }
  Enqueue(*entry, urgency);
}

void CertStore::Forget(const Identity& identity) {
  const auto found = entries_.find(identity);
  if (found == entries_.end()) return;
  const EntryPtr entry = found->second;
  entries_.erase(found);
  entry->forgotten = true;
  if (entry->linked() && entry->queued_as == Urgency::kPrefetch) --prefetches_queued_;
  entry->Unlink();
  Loop::Current().timers().Cancel(*entry);
  entry->stop.RequestStop(Reason::kStopped);
  CertUpdate update = Absent(identity, Error{Reason::kIdentityUnavailable});
  update.forgotten = true;
  Publish(update);
}

void CertStore::Listen(CertListener listener) { listeners_.push_back(std::move(listener)); }

std::vector<CertStatus> CertStore::Dump() const {
  std::vector<CertStatus> all;
  for (const auto& [identity, entry] : entries_) {
    CertStatus status{identity, StateOf(*entry), entry->certificate, ""};
    if (entry->failure) status.failure = entry->failure->detail;
    all.push_back(std::move(status));
  }
  std::sort(all.begin(), all.end(),
            [](const CertStatus& a, const CertStatus& b) { return a.identity < b.identity; });
  return all;
}

CertStatus::State CertStore::StateOf(const Entry& entry) const {
  if (Usable(entry)) return CertStatus::State::kAvailable;
  const bool tried = entry.failure || entry.certificate;
  return tried ? CertStatus::State::kUnavailable : CertStatus::State::kInitializing;
}

CertCounts CertStore::Count() const {
  CertCounts counts;
  for (const auto& [identity, entry] : entries_) {
    const CertStatus::State state = StateOf(*entry);
    counts.initializing += state == CertStatus::State::kInitializing;
    counts.available += state == CertStatus::State::kAvailable;
    counts.unavailable += state == CertStatus::State::kUnavailable;
    if (entry->certificate == nullptr) continue;
    const WallTime expiry = entry->certificate->bundle.leaf().not_after;
    counts.soonest_expiry = std::min(counts.soonest_expiry.value_or(expiry), expiry);
  }
  return counts;
}

std::vector<Identity> CertStore::Identities() const {
  std::vector<Identity> all;
  for (const auto& [identity, entry] : entries_) all.push_back(identity);
  return all;
}

CertRef CertStore::Usable(const Entry& entry) const {
  const bool usable = entry.certificate != nullptr && !entry.certificate->bundle.Expired(clock_());
  return usable ? entry.certificate : nullptr;
}

// --- the queue -----------------------------------------------------------------------------------

void CertStore::Enqueue(Entry& entry, Urgency urgency) {
  if (entry.fetching) return;
  if (entry.linked()) {
    if (entry.queued_as >= urgency) return;
    if (entry.queued_as == Urgency::kPrefetch) --prefetches_queued_;
    entry.Unlink();
  }
  entry.queued_as = urgency;
  if (urgency == Urgency::kPrefetch) ++prefetches_queued_;
  queues_[static_cast<size_t>(urgency)].PushBack(entry);
  Pump();
}

CertStore::Entry* CertStore::NextInQueue() {
  for (size_t urgency = kUrgencies; urgency-- > 0;) {
    if (queues_[urgency].empty()) continue;
    Entry& entry = queues_[urgency].PopFront();
    if (entry.queued_as == Urgency::kPrefetch) --prefetches_queued_;
    return &entry;
  }
  return nullptr;
}

void CertStore::Pump() {
  while (running_ && !stopping_.requested() && outstanding_ < options_.max_outstanding) {
    Entry* const entry = NextInQueue();
    if (entry == nullptr) return;
    entry->fetching = true;
    entry->asked = Loop::Current().now();
    ++outstanding_;
    fetches_.Spawn(FetchOne(entry->shared_from_this()));
  }
}

Task<void> CertStore::FetchOne(EntryPtr entry) {
  TimedStop timed(entry->stop.token(), options_.request_timeout, Reason::kTimeout);
  auto answer = co_await authority_.Fetch(entry->identity, timed.token());
  --outstanding_;
  entry->fetching = false;
  if (!entry->forgotten && !stopping_.requested()) Take(*entry, std::move(answer));
  Pump();
}

// --- outcomes ------------------------------------------------------------------------------------

void CertStore::Take(Entry& entry, Result<CertificateBundle, Failure> answer) {
  if (!answer) return Fail(entry, std::move(answer).error());
  if (answer->identity() != entry.identity) {
    return Fail(entry, {Error{Reason::kIdentityMismatch}, "the CA's answer is for somebody else"});
  }
  if (answer->Expired(clock_())) {
    return Fail(entry, {Error{Reason::kIdentityUnavailable}, "the CA's answer has expired"});
  }
  Succeed(entry, *std::move(answer));
}

void CertStore::Succeed(Entry& entry, CertificateBundle bundle) {
  entry.certificate = std::make_shared<WorkloadCertificate>(std::move(bundle), options_.groups);
  entry.failure.reset();
  entry.backoff = Clock::duration(0);
  entry.fetched = Loop::Current().now();
  ArmForRenewal(entry);
  CompareRoots(entry);
  Publish(CertUpdate{entry.identity, entry.certificate, {}});
}

void CertStore::Fail(Entry& entry, Failure failure) {
  const CertRef kept = Usable(entry);
  if (options_.on_failure)
    options_.on_failure({entry.identity, failure, kept != nullptr, IsUrgent(entry)});
  entry.failure = std::move(failure);
  Clock::duration wait = NextBackoff(entry);
  if (kept != nullptr) wait = std::min(wait, Until(kept->bundle.leaf().not_after));
  Arm(entry, wait);
  if (kept == nullptr) {
    Publish(Absent(entry.identity, Error{Reason::kIdentityUnavailable}));
  }
}

bool CertStore::IsUrgent(const Entry& entry) const {
  if (entry.certificate == nullptr) return false;
  const CertificateInfo& leaf = entry.certificate->bundle.leaf();
  return leaf.not_after - clock_() < (leaf.not_after - leaf.not_before) / 10;
}

// --- other roots ---------------------------------------------------------------------------------

bool CertStore::HasOldRoots(const Entry& entry) const {
  return entry.certificate != nullptr && entry.certificate->bundle.roots()->fingerprint() != roots_;
}

// Peers of the CA's new root are strangers to each identity until its own certificate brings it.
void CertStore::CompareRoots(Entry& entry) {
  if (!HasOldRoots(entry)) return;
  // Asked for before the newest roots came: its own are the older ones.
  if (entry.asked < roots_since_) return ArmForRoots(entry);
  const TimePoint now = Loop::Current().now();
  const bool first = roots_.empty();
  const bool again = rotated_ && now - roots_since_ < 2 * options_.longest_rotation_pause;
  roots_ = entry.certificate->bundle.roots()->fingerprint();
  roots_since_ = now;
  if (first) return;
  rotated_ = true;
  // Once a pause at most: a few changes within one are one rollout of the CA.
  if (!again) {
    roots_pause_ = options_.rotation_pause;
    pause_since_ = now;
  } else if (now - pause_since_ >= roots_pause_) {
    roots_pause_ = std::min(roots_pause_ * 2, options_.longest_rotation_pause);
    pause_since_ = now;
  }
  for (const auto& [identity, other] : entries_) {
    // Those that are being asked for, or that back off, come by themselves.
    const bool waits = !other->fetching && !other->linked() && !other->failure;
    if (waits && HasOldRoots(*other)) ArmForRoots(*other);
  }
}

void CertStore::ArmForRoots(Entry& entry) {
  std::uniform_real_distribution<double> spread(0, 1);
  const auto jitter =
      std::chrono::duration_cast<Clock::duration>(options_.rotation_spread * spread(random_));
  const Clock::duration pause = entry.fetched + roots_pause_ - Loop::Current().now();
  const Clock::duration renewal = Until(entry.certificate->bundle.HalfLife());
  Arm(entry, std::min(std::max(jitter, pause), renewal));
}

// --- renewal -------------------------------------------------------------------------------------

void CertStore::Due(Entry& entry) {
  const CertRef usable = Usable(entry);
  if (usable == nullptr) return Enqueue(entry, Urgency::kPrefetch);
  if (entry.failure || HasOldRoots(entry) || clock_() >= usable->bundle.HalfLife()) {
    return Enqueue(entry, Urgency::kRenewal);
  }
  ArmForRenewal(entry);
}

void CertStore::ArmForRenewal(Entry& entry) {
  Arm(entry, Until(entry.certificate->bundle.HalfLife()));
}

Clock::duration CertStore::Until(WallTime moment) const {
  // Bounded before it becomes nanoseconds: a certificate may claim to last for millennia.
  return std::clamp(moment - clock_(), std::chrono::seconds(0), kLongestSleep);
}

void CertStore::Arm(Entry& entry, Clock::duration wait) {
  Loop& loop = Loop::Current();
  loop.timers().Set(entry,
                    loop.now() + std::clamp<Clock::duration>(wait, kShortestSleep, kLongestSleep));
}

Clock::duration CertStore::NextBackoff(Entry& entry) {
  const bool first = entry.backoff == Clock::duration(0);
  entry.backoff =
      first ? options_.first_backoff : std::min(entry.backoff * 2, options_.longest_backoff);
  std::uniform_real_distribution<double> spread(0.8, 1.2);
  return std::chrono::duration_cast<Clock::duration>(entry.backoff * spread(random_));
}

void CertStore::Publish(const CertUpdate& update) {
  std::erase_if(listeners_, [&](const CertListener& listener) { return !listener(update); });
}

}  // namespace aquifer::certs
