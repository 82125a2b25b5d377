// Task<T>: a coroutine that starts when it is awaited and gives its result to the one who awaits.
// Whoever awaits owns it: the frame lives in the awaiting expression and is destroyed at its end,
// and that end only comes when the coroutine has returned, so nothing it awaits can still be in
// flight (docs/decisions/0001). To run one beside others, give it to a Scope (core/rt/scope.h). One
// thread: its Loop's.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/rt/frame_pool.h"

namespace aquifer {

template <class T = void>
class Task;

namespace internal {

class TaskPromiseBase {
 public:
  static void* operator new(std::size_t bytes) { return AllocateFrame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) { FreeFrame(frame, bytes); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  auto final_suspend() noexcept { return FinalAwaiter{}; }
  // We throw nothing; what a library throws is caught where the library is called.
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }

  void set_continuation(std::coroutine_handle<> continuation) { continuation_ = continuation; }

 private:
  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      return static_cast<TaskPromiseBase&>(self.promise()).continuation_;
    }
    void await_resume() noexcept {}
  };

  std::coroutine_handle<> continuation_;
};

template <class T>
class TaskPromise : public TaskPromiseBase {
 public:
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T TakeResult() {
    AQ_CHECK(value_.has_value());
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() noexcept {}
  void TakeResult() {}
};

}  // namespace internal

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  auto operator co_await() && noexcept { return Awaiter{handle_}; }

 private:
  friend promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  struct Awaiter {
    Handle handle;
    bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
      handle.promise().set_continuation(caller);
      return handle;
    }
    T await_resume() { return handle.promise().TakeResult(); }
  };

  explicit Task(Handle handle) : handle_(handle) {}

  Handle handle_;
};

template <class T>
Task<T> internal::TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}

inline Task<void> internal::TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

}  // namespace aquifer
