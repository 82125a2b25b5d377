// The answers of several workers to one question, gathered on the loop that asked. They refer to
// this object, so whoever asks waits for all of them: the wait has no stop. One thread: its Loop's.
#pragma once

#include <cstddef>

#include "core/rt/event.h"
#include "core/rt/task.h"

namespace aquifer {

class Answers {
 public:
  explicit Answers(std::size_t expected) : left_(expected) {
    if (left_ == 0) all_.Set();
  }

  void Take(const Status& status = Status()) {
    AQ_CHECK(left_ > 0);
    if (!status.ok() && outcome_.ok()) outcome_ = status;
    if (--left_ == 0) all_.Set();
  }
  // The first answer that was an error, or ok.
  Task<Status> All() {
    const Status waited = co_await all_.Wait(StopToken());
    AQ_CHECK(waited.ok());
    co_return outcome_;
  }

 private:
  std::size_t left_;
  Status outcome_;
  Event all_;
};

}  // namespace aquifer
