#include "core/rt/scope.h"

#include <utility>

#include "core/rt/frame_pool.h"
#include "core/rt/loop.h"

namespace aquifer {
namespace {

// Owns itself: its frame ends by itself when the task has ended, after the scope was told.
struct Root {
  struct promise_type {
    static void* operator new(std::size_t bytes) { return AllocateFrame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) { FreeFrame(frame, bytes); }
    Root get_return_object() {
      return Root{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
  std::coroutine_handle<> handle;
};

// The task's frame, and with it its arguments, is gone before the scope hears of the end.
Root RunOne(Task<void> task, size_t& live, Event& idle) {
  {
    Task<void> running = std::move(task);
    co_await std::move(running);
  }
  if (--live == 0) idle.Set();
}

}  // namespace

void Scope::Spawn(Task<void> task) {
  ++live_;
  idle_.Reset();
  const Root root = RunOne(std::move(task), live_, idle_);
  Loop::Current().Ready(root.handle);
}

Task<void> Scope::Join() {
  while (live_ > 0) {
    const Status ended = co_await idle_.Wait(StopToken());
    AQ_CHECK(ended.ok());
  }
}

}  // namespace aquifer
