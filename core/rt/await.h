// Awaiting one kernel operation under a StopToken. A stop cancels the operation, and the coroutine
// goes on only when the kernel has let go of it: the result is then -ECANCELED, or whatever the
// operation had already achieved (an accepted descriptor is never lost).
#pragma once

#include <cerrno>
#include <coroutine>

#include "core/rt/loop.h"
#include "core/rt/op.h"
#include "core/rt/stop.h"

namespace aquifer {

class OpAwaiter final : private StopCallback {
 public:
  // `op` outlives the awaiting expression: both live in the caller's frame.
  OpAwaiter(Op& op, StopToken stop) : op_(op), stop_(stop) {}

  bool await_ready() {
    if (!stop_.requested()) return false;
    op_.result = -ECANCELED;
    return true;
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    op_.waiter = waiter;
    stop_.Watch(*this);
    Loop::Current().Submit(op_);
  }
  // The operation's result: not negative, or a negative errno.
  int await_resume() {
    Unlink();
    return op_.result;
  }

 private:
  void OnStop() override { Loop::Current().Cancel(op_); }

  Op& op_;
  StopToken stop_;
};

// The error of a negative result: the stop's reason if that is why, else the errno's. An operation
// that a thread of the kernel was at work on is interrupted by its cancellation.
inline Error ErrorFromResult(int result, StopToken stop) {
  if ((result == -ECANCELED || result == -EINTR) && stop.requested()) return stop.error();
  return Error{ReasonFromErrno(-result), -result};
}

}  // namespace aquifer
