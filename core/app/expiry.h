// Housekeeping of a process's metrics: label sets come from workloads, which come and go, and what
// nothing counts in any more is let go of, so that a scrape is as long as the mesh is large and not
// as long as it has ever been. One task a process, on the loop that also answers scrapes: walking
// all series holds their families' locks, which connections on a worker take only to open.
#pragma once

#include <chrono>

#include "core/obs/metrics.h"
#include "core/obs/tcp_metrics.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "core/rt/timer_queue.h"

namespace aquifer::app {

struct ExpiryOptions {
  Clock::duration interval = std::chrono::minutes(1);
  // Longer than the windows that dashboards and alerts look at: a series that comes back starts
  // from zero, and nobody misses a counter that has stood still for all of the window.
  Clock::duration idle = std::chrono::hours(1);
};

// Until `stop`.
Task<void> ExpireSeries(obs::TcpMetrics& metrics, obs::Registry& registry, ExpiryOptions options,
                        StopToken stop);

}  // namespace aquifer::app
