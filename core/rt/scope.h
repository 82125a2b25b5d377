// Scope: runs tasks beside each other and waits for all of them. No task is ever detached: a Scope
// is joined before it dies, so what its tasks refer to (members declared before the Scope, locals
// of the frame that joins it) outlives them. Stopping them is a StopSource's affair. One thread:
// its Loop's.
#pragma once

#include "core/rt/event.h"
#include "core/rt/task.h"

namespace aquifer {

class Scope {
 public:
  Scope() { idle_.Set(); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { AQ_CHECK(live_ == 0); }

  // Starts `task` in this turn of the loop, not inside this call.
  void Spawn(Task<void> task);
  // Returns when no task is left. Takes no StopToken: leaving early is what a Scope exists to
  // prevent.
  Task<void> Join();
  size_t live() const { return live_; }

 private:
  size_t live_ = 0;
  Event idle_;
};

}  // namespace aquifer
