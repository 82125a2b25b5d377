// A thread with a loop of its own and the state that lives on it. Another loop (the control loop)
// starts it, sends it work that runs between two turns of its loop, and ends it by making the state
// finish. State has `Event finished`, which ends the loop's wait, and `Task<void> End()`, which is
// awaited before the state goes.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>

#include "core/rt/event.h"
#include "core/rt/loop.h"

namespace aquifer {

class LoopThread {
 public:
  // Runs on the thread. Calls `started` when work may be posted.
  using Main = std::function<Task<void>(std::function<void()> started)>;

  // Returns once `main` has called `started`, or why the loop could not be made. It reaches the
  // kernel as the loop that starts it does: a process is all of one kind.
  static Result<std::unique_ptr<LoopThread>> Start(std::string name, Main main);
  // Waits for `main` to return.
  ~LoopThread();
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // Runs `work` on the thread, unless `main` has returned.
  void Post(std::function<void()> work);

 private:
  explicit LoopThread(Main main) : main_(std::move(main)), backend_(Loop::CurrentBackend()) {}
  void SetLoop(Loop* loop);
  void Run(const std::string& name, const std::function<void(Status)>& started);

  const Main main_;
  const std::optional<BackendKind> backend_;
  std::mutex mutex_;
  Loop* loop_ = nullptr;  // the thread's, while there is one; guarded by mutex_
  std::thread thread_;
};

template <class State>
class WorkerThread {
 public:
  // `make` runs on the thread and has returned when Start does.
  using Make = std::function<std::unique_ptr<State>()>;
  static Result<std::unique_ptr<WorkerThread>> Start(std::string name, Make make) {
    std::unique_ptr<WorkerThread> worker(new WorkerThread(std::move(make)));
    AQ_TRY(worker->thread_, LoopThread::Start(std::move(name), [&self = *worker](auto started) {
             return Main(self, std::move(started));
           }));
    return worker;
  }

  // Runs `work` on the thread, unless the state has gone.
  void Post(std::function<void(State&)> work) {
    thread_->Post([this, work = std::move(work)] {
      if (state_ != nullptr) work(*state_);
    });
  }

 private:
  explicit WorkerThread(Make make) : make_(std::move(make)) {}

  static Task<void> Main(WorkerThread& self, std::function<void()> started) {
    const std::unique_ptr<State> state = self.make_();
    self.state_ = state.get();
    started();
    std::ignore = co_await state->finished.Wait(StopToken());
    co_await state->End();
    self.state_ = nullptr;
  }

  const Make make_;
  State* state_ = nullptr;              // touched on the thread only
  std::unique_ptr<LoopThread> thread_;  // last: joins while the rest is still there
};

}  // namespace aquifer
