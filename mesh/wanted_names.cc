#include "mesh/wanted_names.h"

#include <algorithm>
#include <iterator>

namespace aquifer::mesh {
namespace {

void MoveUpTo(std::size_t count, std::vector<std::string>& from, std::vector<std::string>& to) {
  const auto end = from.begin() + static_cast<std::ptrdiff_t>(std::min(count, from.size()));
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(end));
  from.erase(from.begin(), end);
}

}  // namespace

WantedNames::Verdict WantedNames::Want(std::string_view name) {
  auto entry = entries_.find(name);
  if (entry == entries_.end()) {
    if (name.empty() || name.size() > limits_.name_bytes || unanswered_ >= limits_.unanswered ||
        !MakeRoom()) {
      return Verdict::kRefused;
    }
    entries_.emplace(name, Entry());
    ++unanswered_;
    // Forgotten and wanted again before the control plane heard of either: it is still subscribed.
    // It may have answered to that already, so it is asked once more all the same.
    std::erase(to_unsubscribe_, name);
    to_subscribe_.emplace_back(name);
    return Verdict::kPending;
  }
  if (entry->second.state == State::kAbsent)
    absent_.splice(absent_.end(), absent_, entry->second.place);
  return entry->second.state == State::kUnanswered ? Verdict::kPending : Verdict::kAnswered;
}

bool WantedNames::Answer(std::string_view name, bool present) {
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return false;
  const bool waited = entry->second.state == State::kUnanswered;
  Set(entry, present ? State::kPresent : State::kAbsent);
  return waited;
}

void WantedNames::Set(Entries::iterator entry, State state) {
  Entry& value = entry->second;
  if (value.state == state) return;
  if (value.state == State::kUnanswered) --unanswered_;
  if (value.state == State::kAbsent) absent_.erase(value.place);
  value.state = state;
  if (state == State::kAbsent) value.place = absent_.insert(absent_.end(), entry->first);
}

bool WantedNames::MakeRoom() {
  if (entries_.size() < limits_.names) return true;
  if (absent_.empty()) return false;
  const std::string oldest(absent_.front());
  absent_.pop_front();
  entries_.erase(oldest);
  std::erase(to_subscribe_, oldest);
  to_unsubscribe_.push_back(oldest);
  return true;
}

WantedNames::Changes WantedNames::TakeChanges(std::size_t limit) {
  Changes changes;
  MoveUpTo(limit, to_unsubscribe_, changes.unsubscribe);
  MoveUpTo(limit - changes.unsubscribe.size(), to_subscribe_, changes.subscribe);
  return changes;
}

void WantedNames::TellAllAgain() {
  to_unsubscribe_.clear();
  to_subscribe_.clear();
  to_subscribe_.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) to_subscribe_.push_back(name);
}

}  // namespace aquifer::mesh
