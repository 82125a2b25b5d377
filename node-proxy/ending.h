// How what serves one captured pod ends. Drained: nothing new, what is there goes on. Handed over:
// the same, but for a moment what was on its way is still taken, for another proxy has the ports,
// too. Stopped: at once. Owned by PodProxy; one thread: its worker's.
#pragma once

#include "core/rt/stop.h"
#include "core/rt/timer_queue.h"

namespace aquifer::node {

class Ending {
 public:
  // How long something may take from its being sent to our queue when that is about to close.
  static constexpr Clock::duration kLastArrivals = std::chrono::milliseconds(250);

  void Drain() { drain_.RequestStop(Reason::kDrained); }
  void HandOver() {
    handed_over_ = true;
    Drain();
  }
  void Stop(Reason reason) { stop_.RequestStop(reason); }

  StopToken drain() { return drain_.token(); }
  StopToken stop() { return stop_.token(); }
  // What has to be taken still. Once drained.
  bool has_last_arrivals() const { return handed_over_ && !stop_.requested(); }
  bool handed_over() const { return handed_over_; }

 private:
  bool handed_over_ = false;
  StopSource drain_;
  StopSource stop_;
};

}  // namespace aquifer::node
