// One worker's event loop: kernel operations in, completions out, coroutines resumed in between. A
// Loop belongs to the thread that creates and runs it; everything but Post is for that thread only.
// The loop of the running thread is reached by Current(): the one thread-local of the project, so
// that a timer or an event needs no loop passed through every signature (docs/decisions/0003). How
// operations reach the kernel is behind Backend (core/rt/backend.h).
#pragma once

#include <chrono>
#include <coroutine>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/rt/backend.h"
#include "core/rt/op.h"
#include "core/rt/task.h"
#include "core/rt/timer_queue.h"

namespace aquifer {

struct LoopOptions {
  // Time stands still while anything can run and jumps to the next timer when nothing can: for
  // tests of what waits, without waiting. Only for work that does no kernel I/O.
  bool virtual_time = false;
  unsigned queue_entries = 1024;
  // None: io_uring, or epoll where io_uring is refused.
  std::optional<BackendKind> backend = std::nullopt;
};

class Loop final : private CompletionSink {
 public:
  // kUnsupported with the errno when io_uring was asked for and the kernel or a sandbox refuses it.
  static Result<std::unique_ptr<Loop>> Create(const LoopOptions& options = {});
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  // The loop whose Run is on this thread's stack. A CHECK when there is none.
  static Loop& Current();
  // That of the current loop, for another one of the same process; none where there is none.
  static std::optional<BackendKind> CurrentBackend();

  // Runs `main` and everything it spawns; returns when `main` has returned. Nothing may be in
  // flight then.
  void Run(Task<void> main);

  // Runs `work` on the loop's thread, soon. From any thread; after Run has returned it is dropped.
  void Post(std::function<void()> work);

  // Steady time, read once a turn of the loop.
  TimePoint now() const { return now_; }

  // Resumes `coroutine` in this turn, after what is already queued. Safe anywhere on the loop's
  // thread, unlike resuming directly.
  void Ready(std::coroutine_handle<> coroutine) { ready_.push_back(coroutine); }

  // Starts an operation; its completion makes op.waiter ready. `op` stays where it is until then.
  void Submit(Op& op);
  // Asks the kernel to end an operation early. The completion still comes, with its result or
  // -ECANCELED.
  void Cancel(Op& op);

  TimerQueue& timers() { return timers_; }
  // Operations submitted whose completion has not come.
  size_t in_flight() const { return in_flight_; }

  BackendKind backend() const { return backend_kind_; }
  // Why the backend is not io_uring; ok if it is, or if epoll was asked for.
  const Status& io_uring_refusal() const { return io_uring_refusal_; }

 private:
  explicit Loop(const LoopOptions& options) : options_(options), now_(Clock::now()) {}
  void OnComplete(Op& op) override;

  Status MakeBackend();
  void RunReady();
  TimePoint WaitUntil();
  void ResumeReady();
  void RunPosted();
  void ArmWakeup();
  void Disarm();

  LoopOptions options_;
  TimePoint now_;
  std::deque<std::coroutine_handle<>> ready_;
  TimerQueue timers_;
  size_t in_flight_ = 0;
  std::unique_ptr<Backend> backend_;
  BackendKind backend_kind_ = BackendKind::kIoUring;
  Status io_uring_refusal_;

  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by posted_mutex_
  bool wakeup_pending_ = false;                // guarded by posted_mutex_
  UniqueFd wakeup_;
  Op wakeup_op_;
  std::uint64_t wakeup_count_ = 0;
  bool wakeup_armed_ = false;
};

}  // namespace aquifer
