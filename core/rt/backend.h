// How operations reach the kernel: by io_uring, or by epoll where a kernel or a sandbox refuses
// that (docs/decisions/0006). One instance a Loop, used on its thread only. Nothing above it knows
// which it is.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/base/result.h"
#include "core/rt/op.h"
#include "core/rt/timer_queue.h"

namespace aquifer {

enum class BackendKind : std::uint8_t { kIoUring, kEpoll };

// As in settings, log and metrics: "io_uring", "epoll".
constexpr std::string_view BackendName(BackendKind kind) {
  return kind == BackendKind::kIoUring ? "io_uring" : "epoll";
}

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

// kUnsupported with the errno when the kernel refuses io_uring or lacks what we need of it.
Result<std::unique_ptr<Backend>> MakeUringBackend(unsigned entries);
Result<std::unique_ptr<Backend>> MakeEpollBackend();

}  // namespace aquifer
