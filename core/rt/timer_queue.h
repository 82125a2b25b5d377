// Deadlines of one loop: a binary heap of intrusive timers. Setting, moving and cancelling cost
// O(log n) and no allocation beyond the heap's own growth. One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace aquifer {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

class TimerQueue;

class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Called once when the deadline has passed; it must not resume a coroutine (Loop::Ready).
  virtual void OnTimer() = 0;
  bool armed() const { return index_ != kNone; }

 protected:
  ~Timer() = default;

 private:
  friend class TimerQueue;
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  TimePoint deadline_;
  std::size_t index_ = kNone;
};

class TimerQueue {
 public:
  // Arms `timer`, or moves it.
  void Set(Timer& timer, TimePoint deadline);
  void Cancel(Timer& timer);
  // The earliest deadline, TimePoint::max() if there is none.
  TimePoint next() const { return heap_.empty() ? TimePoint::max() : heap_.front()->deadline_; }
  // Calls every timer whose deadline is not after `now`.
  void Fire(TimePoint now);
  bool empty() const { return heap_.empty(); }

 private:
  void Place(std::size_t index, Timer* timer);
  void Up(std::size_t index);
  void Down(std::size_t index);

  std::vector<Timer*> heap_;
};

}  // namespace aquifer
