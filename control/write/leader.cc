#include "control/write/leader.h"

#include <algorithm>
#include <utility>

#include "control/names.h"
#include "core/rt/timer.h"

namespace aquifer::control {
namespace {

constexpr size_t kMaxLeaseBytes = 64 << 10;
constexpr int kReleaseTries = 3;
constexpr auto kReleaseTimeout = std::chrono::seconds(2);
constexpr const char* kJson = "application/json";
// Of those who wait to lead, so that not all ask at once.
constexpr double kSpread = 1.2;

}  // namespace

Leader::Leader(ApiClient& client, LeaderOptions options, certs::WallClock clock, obs::Logger& log,
               ControlMetrics& metrics, std::uint64_t seed)
    : client_(client),
      options_(std::move(options)),
      clock_(std::move(clock)),
      log_(log),
      metrics_(metrics),
      random_(seed),
      election_(options_.identity, options_.times) {
  metrics_.leader.With({})->Set(0);
}

Task<void> Leader::Run(StopToken stop) {
  while (!stop.requested()) {
    co_await Attempt(stop);
    if (CanLead()) {
      BeginTerm();
    } else {
      co_await EndTerm();
    }
    std::ignore = co_await SleepFor(Pause(), stop);
    if (!CanLead()) co_await EndTerm();
  }
  const bool led = term_.has_value();
  co_await EndTerm();
  if (led) co_await Release();
}

// Reads the Lease unless it is known, and writes it if it is ours to write.
Task<void> Leader::Attempt(StopToken stop) {
  bool known = lease_.has_value();
  if (!known) known = co_await Read(stop);
  if (!known) co_return;
  const TimePoint now = Loop::Current().now();
  std::optional<LeaseRecord> next = election_.Judge(lease_ ? &lease_->record : nullptr, now, Now());
  if (!next) {
    if (lease_->record.holder != holder_)
      log_.Info("leader", "another replica leads", {{"holder", lease_->record.holder}});
    holder_ = lease_->record.holder;
    lease_.reset();
    co_return;
  }
  const bool written = co_await Write(*std::move(next), stop);
  if (!written) lease_.reset();
}

// True if it is known now whether there is one.
Task<bool> Leader::Read(StopToken stop) {
  ApiRequest request;
  request.path = Path() + "/" + options_.name;
  const Result<std::string, ApiFailure> answer =
      co_await client_.Call(std::move(request), kMaxLeaseBytes, Patience(), stop);
  if (!answer.ok()) {
    if (answer.error().status == kNotFound) co_return true;
    if (!stop.requested()) Failed(answer.error());
    co_return false;
  }
  Decoded<Lease> lease = ReadLease(*answer);
  if (!lease.ok()) {
    Failed({.error = Error{Reason::kBadRequest}, .detail = lease.error().ToString()});
    co_return false;
  }
  lease_ = *std::move(lease);
  co_return true;
}

Task<bool> Leader::Write(LeaseRecord record, StopToken stop) {
  ApiRequest request;
  request.method = lease_ ? "PUT" : "POST";
  request.path = lease_ ? Path() + "/" + options_.name : Path();
  request.content_type = kJson;
  request.body = lease_ ? LeaseBody(*lease_, record)
                        : NewLeaseBody(options_.namespace_name, options_.name, record);
  const TimePoint sent = Loop::Current().now();
  const Result<std::string, ApiFailure> answer =
      co_await client_.Call(std::move(request), kMaxLeaseBytes, Patience(), stop);
  if (!answer.ok()) {
    // Somebody else was faster, which is what the election is for.
    if (answer.error().status != kConflict && !stop.requested()) Failed(answer.error());
    co_return false;
  }
  if (!problem_.empty()) log_.Info("leader", "the lease is written again");
  problem_.clear();
  election_.Written(record, sent);
  Decoded<Lease> lease = ReadLease(*answer);
  if (!lease.ok()) co_return false;  // it is read before the next write
  lease_ = *std::move(lease);
  co_return true;
}

// The next leader need not wait, if the API server hears of it in time. What was under way when we
// were stopped may still be taken, hence more than one try.
Task<void> Leader::Release() {
  TimedStop timed(StopToken(), kReleaseTimeout, Reason::kTimeout);
  bool released = false;
  for (int tries = 0; tries < kReleaseTries && !released; ++tries) {
    bool known = lease_.has_value();
    if (!known) known = co_await Read(timed.token());
    if (!known) co_return;
    std::optional<LeaseRecord> record =
        election_.Release(lease_ ? &lease_->record : nullptr, Now());
    if (!record) co_return;
    released = co_await Write(*std::move(record), timed.token());
    if (!released) lease_.reset();
  }
  if (released) log_.Info("leader", "the lease is given up");
}

void Leader::BeginTerm() {
  if (term_) return;
  holder_ = election_.identity();
  log_.Info("leader", "leads", {{"identity", election_.identity()}});
  metrics_.leader.With({})->Set(1);
  metrics_.leader_terms.With({})->Add();
  term_.emplace();
  for (const Duty& duty : duties_) term_duties_.Spawn(duty(term_->token()));
}

Task<void> Leader::EndTerm() {
  if (!term_) co_return;
  term_->RequestStop();
  co_await term_duties_.Join();
  term_.reset();
  metrics_.leader.With({})->Set(0);
  log_.Info("leader", "leads no longer");
}

Clock::duration Leader::Pause() {
  const Clock::duration retry = options_.times.retry;
  const TimePoint now = Loop::Current().now();
  if (election_.Leads(now)) return std::min(retry, election_.renew_by() - now);
  const double factor = 1 + std::uniform_real_distribution<double>(0, kSpread)(random_);
  return std::chrono::duration_cast<Clock::duration>(retry * factor);
}

// While we lead, an answer that comes after the deadline is of no use.
Clock::duration Leader::Patience() const {
  const TimePoint now = Loop::Current().now();
  if (!election_.Leads(now)) return options_.request_timeout;
  return std::min(options_.request_timeout, election_.renew_by() - now);
}

void Leader::Failed(const ApiFailure& failure) {
  // A connection that gives no answers would keep us from leading until the kernel gives it up.
  if (failure.status == 0 && failure.error.reason == Reason::kTimeout) client_.Drop();
  const std::string problem = failure.ToString();
  if (problem != problem_) {
    log_.Error("leader", "the lease cannot be read or written",
               {{"lease", options_.namespace_name + "/" + options_.name}, {"error", problem}});
  }
  problem_ = problem;
}

// As a MicroTime: six digits behind the seconds, whatever they are.
std::string Leader::Now() const {
  std::string text = FormatTimestamp(clock_().time_since_epoch().count());
  text.pop_back();
  return text + ".000000Z";
}

std::string Leader::Path() const {
  return CollectionPath("coordination.k8s.io/v1", "leases", options_.namespace_name);
}

}  // namespace aquifer::control
