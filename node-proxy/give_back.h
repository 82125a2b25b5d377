// Gives memory back to the system after a burst. The allocator keeps what is free in between what
// is in use for the next burst, which may never come; asking it for all of that is not free either
// (it walks its lists with their locks held, some milliseconds for 100 MB), so it is asked only
// when a burst is seen to be over. Used by the control loop, seldom.
#pragma once

#include <cstddef>

#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "node-proxy/pod_budget.h"

namespace aquifer::node {

// Decides from what is seen at regular times. Not bound to a thread.
class GiveBack {
 public:
  // Whether to give back now. `resident` are bytes of memory, `sockets` what the pods have open.
  bool IsDue(std::size_t resident, std::size_t sockets);
  // After it was done: what is left is the level from which on growth counts.
  void Done(std::size_t resident);

 private:
  std::size_t level_ = 0;  // resident after the last time, or the least since
  std::size_t last_ = 0;   // at the last look
  std::size_t last_sockets_ = 0;
  std::size_t most_sockets_ = 0;  // since the last time
};

// Looks every few seconds until `stop`.
Task<void> GiveMemoryBack(const NodeBudget& budget, StopToken stop);

}  // namespace aquifer::node
