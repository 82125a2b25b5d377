// Event: wakes coroutines of the same loop when something has become true. It stays set until
// Reset, so a wake-up before the wait is not lost. Waiters are resumed by the loop, never inside
// Set. The world may have changed again by then: look before you act.
#pragma once

#include <coroutine>

#include "core/base/list.h"
#include "core/rt/loop.h"
#include "core/rt/stop.h"

namespace aquifer {

class Event {
 public:
  class Waiter;

  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { AQ_CHECK(waiters_.empty()); }

  bool is_set() const { return set_; }
  void Set() {
    set_ = true;
    Wake();
  }
  void Reset() { set_ = false; }
  // Wakes those who wait now and leaves the event as it is.
  void Wake();
  // co_await gives a Status: ok, or the stop's reason.
  Waiter Wait(StopToken stop);

 private:
  bool set_ = false;
  List<Waiter> waiters_;
};

class Event::Waiter final : public ListNode {
 public:
  Waiter(Event& event, StopToken stop) : event_(event), stop_(stop), on_stop_(*this) {}

  bool await_ready() { return event_.set_ || stop_.requested(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    event_.waiters_.PushBack(*this);
    stop_.Watch(on_stop_);
  }
  Status await_resume() {
    on_stop_.Unlink();
    if (woken_ || !stop_.requested()) return Status();
    return stop_.error();
  }

 private:
  friend class Event;
  // A member and not a base: the waiter is in two lists at once.
  class OnStopRequested final : public StopCallback {
   public:
    explicit OnStopRequested(Waiter& waiter) : waiter_(waiter) {}
    void OnStop() override { waiter_.Abandon(); }

   private:
    Waiter& waiter_;
  };

  void Abandon() {
    if (!linked()) return;  // already woken, resumes anyway
    Unlink();
    Loop::Current().Ready(waiter_);
  }

  Event& event_;
  StopToken stop_;
  std::coroutine_handle<> waiter_;
  bool woken_ = false;
  OnStopRequested on_stop_;
};

inline Event::Waiter Event::Wait(StopToken stop) { return Waiter(*this, stop); }

inline void Event::Wake() {
  while (!waiters_.empty()) {
    Waiter& waiter = waiters_.PopFront();
    waiter.woken_ = true;
    Loop::Current().Ready(waiter.waiter_);
  }
}

}  // namespace aquifer
