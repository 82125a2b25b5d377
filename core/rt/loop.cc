#include "core/rt/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "core/base/check.h"
#include "core/base/last_error.h"
#include "core/rt/scope.h"

namespace aquifer {
namespace {

thread_local Loop* current = nullptr;

// How often what was ready may make more ready before the kernel is asked again.
constexpr int kRounds = 8;

}  // namespace

Result<std::unique_ptr<Loop>> Loop::Create(const LoopOptions& options) {
  std::unique_ptr<Loop> loop(new Loop(options));
  AQ_TRY_STATUS(loop->MakeBackend());
  loop->wakeup_.Reset(::eventfd(0, EFD_CLOEXEC));
  if (!loop->wakeup_.valid()) return LastError();
  return loop;
}

Status Loop::MakeBackend() {
  if (options_.backend != BackendKind::kEpoll) {
    Result<std::unique_ptr<Backend>> made = MakeUringBackend(options_.queue_entries);
    if (made) {
      backend_ = *std::move(made);
      return Status();
    }
    const bool refused = made.error().reason == Reason::kUnsupported;
    if (!refused || options_.backend == BackendKind::kIoUring) return made.error();
    io_uring_refusal_ = made.error();
  }
  backend_kind_ = BackendKind::kEpoll;
  AQ_TRY(backend_, MakeEpollBackend());
  return Status();
}

Loop::~Loop() { AQ_CHECK(in_flight_ == 0); }

Loop& Loop::Current() {
  AQ_DCHECK(current != nullptr);
  return *current;
}

std::optional<BackendKind> Loop::CurrentBackend() {
  if (current == nullptr) return std::nullopt;
  return current->backend();
}

void Loop::Run(Task<void> main) {
  Loop* const outer = std::exchange(current, this);
  {
    Scope scope;
    scope.Spawn(std::move(main));
    ArmWakeup();
    RunReady();
    while (scope.live() > 0) {
      backend_->Wait(WaitUntil(), *this);
      RunReady();
    }
    Disarm();
  }
  current = outer;
}

void Loop::RunReady() {
  if (!options_.virtual_time) now_ = Clock::now();
  timers_.Fire(now_);
  RunPosted();
  ResumeReady();
  ArmWakeup();
}

TimePoint Loop::WaitUntil() {
  if (!ready_.empty()) return TimePoint::min();
  if (!options_.virtual_time || in_flight_ > 1) return timers_.next();
  // Only the wake-up is in flight: nothing can happen before the next timer, so it is now.
  if (timers_.empty()) return TimePoint::max();
  now_ = timers_.next();
  return TimePoint::min();
}

void Loop::ResumeReady() {
  // One task's bytes are another's to send on: what they want from the kernel goes there in one
  // call. Rounds are counted, or two tasks that wake each other would keep it from everybody.
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t left = ready_.size(); left > 0; --left) {
      const std::coroutine_handle<> coroutine = ready_.front();
      ready_.pop_front();
      coroutine.resume();
    }
  }
}

void Loop::Submit(Op& op) {
  AQ_DCHECK(!op.in_flight);
  op.in_flight = true;
  ++in_flight_;
  backend_->Submit(op);
}

void Loop::Cancel(Op& op) {
  if (op.in_flight) backend_->Cancel(op);
}

void Loop::OnComplete(Op& op) {
  AQ_DCHECK(op.in_flight);
  op.in_flight = false;
  --in_flight_;
  if (&op == &wakeup_op_) {
    wakeup_armed_ = false;
    return;
  }
  Ready(op.waiter);
}

// Rings with the lock held: the work may be what ends the loop, and the loop, woken by somebody
// else, may take it before it is rung for.
void Loop::Post(std::function<void()> work) {
  const std::lock_guard lock(posted_mutex_);
  posted_.push_back(std::move(work));
  if (std::exchange(wakeup_pending_, true)) return;
  const std::uint64_t one = 1;
  const ssize_t written = ::write(wakeup_.get(), &one, sizeof one);
  AQ_CHECK(written == sizeof one);
}

void Loop::RunPosted() {
  if (wakeup_armed_) return;  // nobody has rung
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(posted_mutex_);
    work.swap(posted_);
    wakeup_pending_ = false;
  }
  for (const std::function<void()>& each : work) each();
}

void Loop::ArmWakeup() {
  if (std::exchange(wakeup_armed_, true)) return;
  wakeup_op_.kind = OpKind::kRead;
  wakeup_op_.fd = wakeup_.get();
  wakeup_op_.data = &wakeup_count_;
  wakeup_op_.size = sizeof wakeup_count_;
  Submit(wakeup_op_);
}

void Loop::Disarm() {
  Cancel(wakeup_op_);
  while (wakeup_armed_) backend_->Wait(TimePoint::max(), *this);
  AQ_CHECK(in_flight_ == 0);
}

}  // namespace aquifer
