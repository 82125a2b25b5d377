// How operations reach the kernel. One instance a Loop, used on its thread only. io_uring is the
// first; a kernel or a sandbox that refuses it needs another one behind this interface and nothing
// above it changes.
#pragma once

#include <memory>

#include "core/base/result.h"
#include "core/rt/op.h"
#include "core/rt/timer_queue.h"

namespace aquifer {

// Takes completed operations. Must not resume anything.
class CompletionSink {
 public:
  virtual void OnComplete(Op& op) = 0;

 protected:
  ~CompletionSink() = default;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual void Submit(Op& op) = 0;
  virtual void Cancel(Op& op) = 0;
  // Sends what was submitted, waits for a completion no longer than `deadline` (TimePoint::max():
  // as long as it takes; a past one: not at all) and hands every completion to `sink`.
  virtual void Wait(TimePoint deadline, CompletionSink& sink) = 0;
};

// The io_uring backend. kUnsupported with the errno when the kernel refuses.
Result<std::unique_ptr<Backend>> MakeUringBackend(unsigned entries);

}  // namespace aquifer
