// Which objects are to be looked at next and perhaps written: one place an object, where the newest
// status wins, and one write at a time. What failed comes again after a back-off, and what holds is
// looked at anew from time to time, as others write as well. Decides only; time is an argument. One
// thread.
#pragma once

#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "control/reconcile/status.h"
#include "core/rt/timer_queue.h"

namespace aquifer::control {

struct WriteQueueOptions {
  Clock::duration first_backoff = std::chrono::milliseconds(200);
  Clock::duration longest_backoff = std::chrono::seconds(60);
  Clock::duration recheck_period = std::chrono::minutes(10);
};

class WriteQueue {
 public:
  enum class Outcome : std::uint8_t {
    kHolds,    // written, or nothing had to be
    kFailed,   // may go better soon
    kRefused,  // will not go better soon
    kGone,     // there is no such object
  };
  struct Job {
    ObjectKey key;
    std::optional<ObjectStatus> status;  // none: the object itself is to be made
  };

  WriteQueue(const WriteQueueOptions& options, std::uint64_t seed)
      : options_(options), random_(seed) {}

  // From here on these are wanted, of kinds that we write, and no others.
  void Follow(const StatusMap& statuses, const std::set<ObjectKey>& missing, TimePoint now);
  // What is due. Each job is ended by Done.
  std::optional<Job> Next(TimePoint now);
  void Done(const ObjectKey& key, Outcome outcome, TimePoint now);
  // When something is due next; none: when something new is wanted, or a job is done.
  std::optional<TimePoint> next_due() const;
  size_t in_flight() const { return in_flight_; }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::optional<ObjectStatus> status;
    std::optional<TimePoint> due;
    bool in_flight = false;
    bool changed = false;  // while in flight
    bool wanted = true;
    int failures = 0;
  };
  using Place = std::map<ObjectKey, Entry>::iterator;

  void Want(const ObjectKey& key, const ObjectStatus* status, TimePoint now);
  void Schedule(Place place, TimePoint due);
  void Unschedule(Place place);
  Clock::duration Spread(Clock::duration longest);
  Clock::duration Backoff(int failures) const;

  const WriteQueueOptions options_;
  std::mt19937_64 random_;
  std::map<ObjectKey, Entry> entries_;
  std::set<std::pair<TimePoint, ObjectKey>> due_;
  size_t in_flight_ = 0;
};

}  // namespace aquifer::control
