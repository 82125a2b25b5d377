// Turns: shares one loop's time between contenders whose work is long for a turn of the loop, such
// as TLS handshakes of many pods. So much of it is done in each turn and the rest waits, so that
// bytes of connections that are open get through in between. Lanes are served in turn, one piece of
// work at a time, and within a lane the newest goes first: under a flood the oldest are the ones
// that nobody waits for any more, and some get through in time instead of none. One thread: its
// Loop's.
#pragma once

#include <coroutine>
#include <vector>

#include "core/base/list.h"
#include "core/rt/loop.h"
#include "core/rt/stop.h"

namespace aquifer {

class Turns final : private Timer {
 public:
  class Waiter;

  // One contender. Outlives those who wait in it.
  class Lane : private ListNode {
   public:
    Lane() = default;
    ~Lane() { AQ_CHECK(waiting_.empty()); }
    std::size_t waiting() const { return waiting_.size(); }

   private:
    friend class Turns;
    friend class List<Lane>;
    std::vector<Waiter*> waiting_;
  };

  // How much is done in a turn, in whatever unit its users agree on.
  explicit Turns(unsigned per_turn) : per_turn_(per_turn) { AQ_CHECK(per_turn > 0); }
  ~Turns();

  // co_await gives a Status: ok when it is the caller's turn to do work of `cost`, up to its next
  // wait; or the stop's reason.
  Waiter Enter(Lane& lane, unsigned cost, StopToken stop);

 private:
  void OnTimer() override;
  bool TryEnter(unsigned cost);
  void Line(Waiter& waiter);
  void Leave(Waiter& waiter);
  void Grant();
  void Spend(unsigned cost) { left_ -= cost < left_ ? cost : left_; }

  const unsigned per_turn_;
  unsigned left_ = 0;
  TimePoint turn_{};
  List<Lane> lanes_;  // in which somebody waits
};

class Turns::Waiter final {
 public:
  Waiter(Turns& turns, Lane& lane, unsigned cost, StopToken stop)
      : turns_(turns), lane_(lane), cost_(cost), stop_(stop), on_stop_(*this) {}

  bool await_ready() {
    granted_ = !stop_.requested() && turns_.TryEnter(cost_);
    return granted_ || stop_.requested();
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    turns_.Line(*this);
    stop_.Watch(on_stop_);
  }
  Status await_resume() {
    on_stop_.Unlink();
    return granted_ ? Status() : Status(stop_.error());
  }

 private:
  friend class Turns;
  class OnStopRequested final : public StopCallback {
   public:
    explicit OnStopRequested(Waiter& waiter) : waiter_(waiter) {}
    void OnStop() override {
      if (!waiter_.granted_) waiter_.turns_.Leave(waiter_);
    }

   private:
    Waiter& waiter_;
  };

  Turns& turns_;
  Lane& lane_;
  const unsigned cost_;
  StopToken stop_;
  std::coroutine_handle<> waiter_;
  bool granted_ = false;
  OnStopRequested on_stop_;
};

inline Turns::Waiter Turns::Enter(Lane& lane, unsigned cost, StopToken stop) {
  return Waiter(*this, lane, cost, stop);
}

}  // namespace aquifer
