#include "core/app/expiry.h"

#include "core/rt/timer.h"

namespace aquifer::app {

Task<void> ExpireSeries(obs::TcpMetrics& metrics, obs::Registry& registry, ExpiryOptions options,
                        StopToken stop) {
  while ((co_await SleepFor(options.interval, stop)).ok()) {
    metrics.ForgetIdle();
    registry.ExpireIdle(Loop::Current().now(), options.idle);
  }
}

}  // namespace aquifer::app
