#include "control/write/write_queue.h"

#include <algorithm>

#include "control/write/status_patch.h"
#include "core/base/check.h"

namespace aquifer::control {

void WriteQueue::Follow(const StatusMap& statuses, const std::set<ObjectKey>& missing,
                        TimePoint now) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto place = at++;
    place->second.wanted = statuses.contains(place->first) || missing.contains(place->first);
    if (place->second.wanted) continue;
    Unschedule(place);
    if (!place->second.in_flight) entries_.erase(place);
  }
  for (const auto& [key, status] : statuses) {
    if (WritesStatusOf(key.kind)) Want(key, &status, now);
  }
  for (const ObjectKey& key : missing) Want(key, nullptr, now);
}

void WriteQueue::Want(const ObjectKey& key, const ObjectStatus* status, TimePoint now) {
  const auto [place, added] = entries_.try_emplace(key);
  Entry& entry = place->second;
  const bool same = status == nullptr ? !entry.status : entry.status == *status;
  if (!added && same) return;
  entry.status = status == nullptr ? std::nullopt : std::optional(*status);
  entry.failures = 0;
  if (entry.in_flight) {
    entry.changed = true;
  } else {
    Schedule(place, now);
  }
}

std::optional<WriteQueue::Job> WriteQueue::Next(TimePoint now) {
  if (due_.empty() || due_.begin()->first > now) return std::nullopt;
  const auto place = entries_.find(due_.begin()->second);
  Unschedule(place);
  place->second.in_flight = true;
  place->second.changed = false;
  ++in_flight_;
  return Job{place->first, place->second.status};
}

void WriteQueue::Done(const ObjectKey& key, Outcome outcome, TimePoint now) {
  const auto place = entries_.find(key);
  AQ_CHECK(place != entries_.end() && place->second.in_flight);
  Entry& entry = place->second;
  entry.in_flight = false;
  --in_flight_;
  if (!entry.wanted) {
    entries_.erase(place);
    return;
  }
  if (entry.changed) return Schedule(place, now);
  switch (outcome) {
    case Outcome::kHolds:
      entry.failures = 0;
      return Schedule(place, now + Spread(options_.recheck_period));
    case Outcome::kFailed:
      return Schedule(place, now + Spread(Backoff(entry.failures++)));
    case Outcome::kRefused:
      return Schedule(place, now + Spread(options_.longest_backoff));
    case Outcome::kGone:
      return;  // the watch says when there is another one
  }
}

std::optional<TimePoint> WriteQueue::next_due() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

void WriteQueue::Schedule(Place place, TimePoint due) {
  Unschedule(place);
  place->second.due = due;
  due_.emplace(due, place->first);
}

void WriteQueue::Unschedule(Place place) {
  if (!place->second.due) return;
  due_.erase({*place->second.due, place->first});
  place->second.due.reset();
}

// Between half of it and the whole, so that what failed together does not come again together.
Clock::duration WriteQueue::Spread(Clock::duration longest) {
  std::uniform_real_distribution<double> part(0.5, 1.0);
  return std::chrono::duration_cast<Clock::duration>(longest * part(random_));
}

Clock::duration WriteQueue::Backoff(int failures) const {
  const auto doubled = options_.first_backoff * (1 << std::min(failures, 16));
  return std::min<Clock::duration>(doubled, options_.longest_backoff);
}

}  // namespace aquifer::control
