#include "core/obs/expiry.h"

#include "core/rt/timer.h"

namespace aquifer::obs {

Task<void> ExpireSeries(TcpMetrics& metrics, Registry& registry, ExpiryOptions options,
                        StopToken stop) {
  while ((co_await SleepFor(options.interval, stop)).ok()) {
    metrics.ForgetIdle();
    registry.ExpireIdle(Loop::Current().now(), options.idle);
  }
}

}  // namespace aquifer::obs
