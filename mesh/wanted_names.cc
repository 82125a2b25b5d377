#include "mesh/wanted_names.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace aquifer::mesh {

WantedNames::Verdict WantedNames::VerdictOf(const Entry& entry) const {
  switch (entry.state) {
    case State::kUnanswered:
      return Verdict::kPending;
    case State::kUnreadable:
      return Verdict::kUnreadable;
    case State::kAbsent:
    case State::kPresent:
      break;
  }
  return Verdict::kAnswered;
}

bool WantedNames::Holds(const Entry& entry, TimePoint now) const {
  if (entry.state != State::kAbsent) return true;
  return !entry.lost && now - entry.asked < limits_.nothing_holds;
}

WantedNames::Verdict WantedNames::Want(std::string_view name, TimePoint now) {
  const auto entry = entries_.find(name);
  if (entry != entries_.end()) {
    if (!Holds(entry->second, now)) return AskAnew(entry, now);
    if (entry->second.state == State::kAbsent)
      absent_.splice(absent_.end(), absent_, entry->second.place);
    return VerdictOf(entry->second);
  }
  if (name.empty() || name.size() > limits_.name_bytes || unanswered_ >= limits_.unanswered ||
      !MakeRoom()) {
    return Verdict::kRefused;
  }
  entries_[std::string(name)].asked = now;
  ++unanswered_;
  to_subscribe_.emplace_back(name);
  return Verdict::kPending;
}

WantedNames::Verdict WantedNames::Look(std::string_view name, TimePoint now) {
  const auto entry = entries_.find(name);
  return entry == entries_.end() || entry->second.lost ? Want(name, now) : VerdictOf(entry->second);
}

WantedNames::Verdict WantedNames::AskAnew(Entries::iterator entry, TimePoint now) {
  if (unanswered_ >= limits_.unanswered) return Verdict::kRefused;
  Set(entry, State::kUnanswered);
  entry->second.asked = now;
  // One that waits to be told is a question already.
  if (std::exchange(entry->second.told, false)) {
    to_unsubscribe_.push_back(entry->first);
    to_subscribe_.push_back(entry->first);
  }
  return Verdict::kPending;
}

bool WantedNames::Take(std::string_view resource, const std::vector<std::string_view>& aliases,
                       Readable readable) {
  const State state = readable == Readable::kYes ? State::kPresent : State::kUnreadable;
  // Those that it has no more. They stay subscribed until somebody needs them: what else came with
  // them goes on being told.
  if (const auto row = by_resource_.find(resource); row != by_resource_.end()) {
    const std::vector<std::string_view> before = row->second;
    for (const std::string_view name : before) {
      const bool stays =
          name == resource || std::find(aliases.begin(), aliases.end(), name) != aliases.end();
      if (!stays) Lose(entries_.find(name));
    }
  }
  bool waited = AnswerBy(resource, resource, state);
  for (const std::string_view alias : aliases) waited |= AnswerBy(alias, resource, state);
  return waited;
}

bool WantedNames::AnswerBy(std::string_view name, std::string_view resource, State state) {
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return false;
  const bool waited = entry->second.state == State::kUnanswered;
  if (entry->second.resource != resource) {
    Detach(entry);
    entry->second.resource = resource;
    if (!resource.empty()) by_resource_[resource].push_back(entry->first);
  }
  Set(entry, state);
  return waited;
}

bool WantedNames::Remove(std::string_view name) {
  if (const auto row = by_resource_.find(name); row != by_resource_.end()) {
    const std::vector<std::string_view> names = row->second;
    for (const std::string_view each : names) Lose(entries_.find(each));
  }
  const auto entry = entries_.find(name);
  if (entry == entries_.end() || entry->second.state == State::kAbsent) return false;
  if (entry->second.state != State::kUnanswered) {
    Lose(entry);
    return false;
  }
  Set(entry, State::kAbsent);
  return true;
}

// Its answer holds no more.
void WantedNames::Lose(Entries::iterator entry) {
  Detach(entry);
  Set(entry, State::kAbsent);
  entry->second.lost = true;
}

void WantedNames::Detach(Entries::iterator entry) {
  const std::string resource = std::exchange(entry->second.resource, {});
  const auto row = by_resource_.find(resource);
  if (row == by_resource_.end()) return;
  std::erase(row->second, std::string_view(entry->first));
  if (row->second.empty()) by_resource_.erase(row);
}

void WantedNames::Set(Entries::iterator entry, State state) {
  Entry& value = entry->second;
  value.lost = false;
  if (value.state == state) return;
  if (value.state == State::kUnanswered) --unanswered_;
  if (value.state == State::kAbsent) absent_.erase(value.place);
  value.state = state;
  if (state == State::kUnanswered) ++unanswered_;
  if (state == State::kAbsent) value.place = absent_.insert(absent_.end(), entry->first);
}

bool WantedNames::MakeRoom() {
  if (entries_.size() < limits_.names) return true;
  if (absent_.empty()) return false;
  const auto oldest = entries_.find(absent_.front());
  absent_.pop_front();
  if (oldest->second.told) to_unsubscribe_.push_back(oldest->first);
  entries_.erase(oldest);
  return true;
}

WantedNames::Changes WantedNames::TakeChanges(std::size_t limit) {
  Changes changes;
  const auto taken = [limit](std::vector<std::string>& from) {
    return from.begin() + static_cast<std::ptrdiff_t>(std::min(limit, from.size()));
  };
  if (!to_unsubscribe_.empty()) {
    const auto end = taken(to_unsubscribe_);
    changes.unsubscribe.assign(std::make_move_iterator(to_unsubscribe_.begin()),
                               std::make_move_iterator(end));
    to_unsubscribe_.erase(to_unsubscribe_.begin(), end);
    return changes;
  }
  while (changes.subscribe.empty() && !to_subscribe_.empty()) {
    const auto end = taken(to_subscribe_);
    for (auto name = to_subscribe_.begin(); name != end; ++name) {
      const auto entry = entries_.find(*name);
      if (entry == entries_.end() || std::exchange(entry->second.told, true)) continue;
      changes.subscribe.push_back(std::move(*name));
    }
    to_subscribe_.erase(to_subscribe_.begin(), end);
  }
  return changes;
}

void WantedNames::TellAllAgain() {
  to_unsubscribe_.clear();
  to_subscribe_.clear();
  to_subscribe_.reserve(entries_.size());
  for (auto& [name, entry] : entries_) {
    entry.told = false;
    to_subscribe_.push_back(name);
  }
}

}  // namespace aquifer::mesh
