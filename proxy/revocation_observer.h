// What revocation does, as istio_crl_* counts it.
#pragma once

#include "certs/revocation.h"
#include "core/obs/crl_metrics.h"

namespace aquifer::proxy {

// `metrics` outlives it; null: nothing is counted.
inline certs::RevocationObserver RevocationObserverOf(obs::CrlMetrics* metrics) {
  if (metrics == nullptr) return {};
  const auto reporter = [](certs::PeerRole peer) {
    return peer == certs::PeerRole::kClient ? obs::Reporter::kDestination : obs::Reporter::kSource;
  };
  return {.on_rejected = [=](certs::PeerRole peer) { metrics->CountRejection(reporter(peer)); },
          .on_untracked = [=](certs::PeerRole peer) { metrics->CountUntracked(reporter(peer)); }};
}

}  // namespace aquifer::proxy
