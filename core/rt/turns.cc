#include "core/rt/turns.h"

#include <algorithm>
#include <chrono>

namespace aquifer {

Turns::~Turns() { AQ_CHECK(lanes_.empty() && !armed()); }

// Nobody overtakes those who wait.
bool Turns::TryEnter(unsigned cost) {
  if (!lanes_.empty()) return false;
  const TimePoint now = Loop::Current().now();
  if (now != turn_) {
    turn_ = now;
    left_ = per_turn_;
  }
  if (left_ == 0) return false;
  Spend(cost);
  return true;
}

void Turns::Line(Waiter& waiter) {
  Lane& lane = waiter.lane_;
  if (lane.waiting_.empty()) lanes_.PushBack(lane);
  lane.waiting_.push_back(&waiter);
  // Later than now, if only just: the timers of a turn are fired once in it.
  Loop& loop = Loop::Current();
  if (!armed()) loop.timers().Set(*this, loop.now() + std::chrono::nanoseconds(1));
}

// Whoever is stopped is mostly among the oldest.
void Turns::Leave(Waiter& waiter) {
  Lane& lane = waiter.lane_;
  const auto found = std::find(lane.waiting_.begin(), lane.waiting_.end(), &waiter);
  AQ_CHECK(found != lane.waiting_.end());
  lane.waiting_.erase(found);
  if (lane.waiting_.empty()) lane.Unlink();
  Loop& loop = Loop::Current();
  if (lanes_.empty()) loop.timers().Cancel(*this);
  loop.Ready(waiter.waiter_);
}

void Turns::OnTimer() {
  turn_ = Loop::Current().now();
  left_ = per_turn_;
  Grant();
  if (!lanes_.empty()) Loop::Current().timers().Set(*this, turn_ + std::chrono::nanoseconds(1));
}

void Turns::Grant() {
  while (left_ > 0 && !lanes_.empty()) {
    Lane& lane = lanes_.PopFront();
    Waiter& waiter = *lane.waiting_.back();
    lane.waiting_.pop_back();
    if (!lane.waiting_.empty()) lanes_.PushBack(lane);
    Spend(waiter.cost_);
    waiter.granted_ = true;
    Loop::Current().Ready(waiter.waiter_);
  }
}

}  // namespace aquifer
