#include "core/rt/worker_thread.h"

#include <pthread.h>

#include <future>

namespace aquifer {

Result<std::unique_ptr<LoopThread>> LoopThread::Start(std::string name, Main main) {
  std::unique_ptr<LoopThread> made(new LoopThread(std::move(main)));
  std::promise<Status> started;
  std::future<Status> outcome = started.get_future();
  made->thread_ = std::thread([&thread = *made, &started, name = std::move(name)] {
    thread.Run(name, [&started](Status status) { started.set_value(std::move(status)); });
  });
  const Status status = outcome.get();
  if (!status.ok()) return status.error();
  return made;
}

LoopThread::~LoopThread() {
  if (thread_.joinable()) thread_.join();
}

void LoopThread::SetLoop(Loop* loop) {
  const std::lock_guard lock(mutex_);
  loop_ = loop;
}

// Its poster may not know yet that it has ended: one worker of several ends before the others.
void LoopThread::Post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (loop_ != nullptr) loop_->Post(std::move(work));
}

// `started` and what it refers to are gone once it was called.
void LoopThread::Run(const std::string& name, const std::function<void(Status)>& started) {
  // Names are for people who look at the threads of a process; the kernel takes 15 characters.
  static_cast<void>(pthread_setname_np(pthread_self(), name.substr(0, 15).c_str()));
  const Result<std::unique_ptr<Loop>> loop = Loop::Create({.backend = backend_});
  if (!loop) return started(loop.error());
  SetLoop(loop->get());
  (*loop)->Run(main_([&started] { started(Status()); }));
  SetLoop(nullptr);
}

}  // namespace aquifer
