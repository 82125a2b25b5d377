// Gives way to whatever else is ready.
#pragma once

#include <coroutine>

#include "core/rt/loop.h"

namespace aquifer::test {

struct Turn {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const { Loop::Current().Ready(waiter); }
  void await_resume() const {}
};

}  // namespace aquifer::test
