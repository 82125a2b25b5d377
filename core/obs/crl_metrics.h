// What revocation lists did: istio_crl_*. One object in a program; the registry outlives it. Any
// thread.
#pragma once

#include "core/obs/metrics.h"
#include "core/obs/tcp_metrics.h"

namespace aquifer::obs {

class CrlMetrics {
 public:
  explicit CrlMetrics(Registry& registry);

  // A handshake was refused or a connection ended for a revoked certificate.
  void CountRejection(Reporter reporter);
  // A connection was taken that a change of the lists cannot end.
  void CountUntracked(Reporter reporter);

 private:
  CounterFamily& rejections_;
  CounterFamily& untracked_;
};

}  // namespace aquifer::obs
