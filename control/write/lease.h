// The Lease by which replicas agree on who leads (coordination.k8s.io/v1): its form, and what a
// replica does about it, as client-go's leader election does. Nobody compares clocks: a holder is
// gone when its record has not changed for as long as it lasts, by the clock of whoever looks. Pure
// and without I/O; one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/kube/values.h"
#include "core/rt/timer_queue.h"

namespace aquifer::control {

// spec, as far as an election needs it.
struct LeaseRecord {
  std::string holder;  // holderIdentity; empty: given up
  std::int64_t duration_seconds = 0;
  std::string acquire_time;
  std::string renew_time;
  std::int64_t transitions = 0;

  friend bool operator==(const LeaseRecord&, const LeaseRecord&) = default;
};

struct Lease {
  LeaseRecord record;
  Json object;  // as it was read: a write changes the record and nothing else
};

Decoded<Lease> ReadLease(std::string_view text);
// The body that creates it.
std::string NewLeaseBody(std::string_view namespace_name, std::string_view name,
                         const LeaseRecord& record);
// The body that replaces it, provided that it is still as it was read.
std::string LeaseBody(const Lease& lease, const LeaseRecord& record);

struct LeaseTimes {
  std::chrono::seconds duration{15};
  // Who could not renew it for so long stops leading, well before anybody else begins.
  std::chrono::milliseconds renew_deadline{10'000};
  std::chrono::milliseconds retry{2000};
};

// One replica's part in the election.
class Election {
 public:
  Election(std::string identity, LeaseTimes times)
      : identity_(std::move(identity)), times_(times) {}

  // What to write over the record that there is (null: there is no Lease); nothing while somebody
  // else holds it. `wall` is the time as the Lease writes it.
  std::optional<LeaseRecord> Judge(const LeaseRecord* present, TimePoint now,
                                   const std::string& wall);
  // The API server has taken that record; `sent` is when it was asked to.
  void Written(const LeaseRecord& record, TimePoint sent);
  // The record that gives it up, if it is ours; we do not lead from here on.
  std::optional<LeaseRecord> Release(const LeaseRecord* present, const std::string& wall);

  bool Leads(TimePoint now) const { return renewed_ && now < *renewed_ + times_.renew_deadline; }
  // When we stop leading if nothing is written; only while we lead.
  TimePoint renew_by() const { return *renewed_ + times_.renew_deadline; }
  const std::string& identity() const { return identity_; }
  const LeaseTimes& times() const { return times_; }

 private:
  void Observe(const LeaseRecord& record, TimePoint now);

  const std::string identity_;
  const LeaseTimes times_;
  std::optional<LeaseRecord> observed_;
  TimePoint observed_at_{};
  std::optional<TimePoint> renewed_;  // none: we do not lead
};

}  // namespace aquifer::control
