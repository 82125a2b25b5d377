// What only the connections that pods open need of a worker: the tunnels inside tunnels, and the
// names that lead out of the mesh. Owned by the worker, on its loop.
#pragma once

#include <chrono>
#include <utility>

#include "core/io/name_cache.h"
#include "core/obs/on_demand_dns.h"
#include "hbone/inner.h"

namespace aquifer::node {

struct Egress {
  Egress(const hbone::InnerOptions& inner_options, obs::OnDemandDnsMetrics& metrics)
      : inner(inner_options), names(io::NameCacheOptions{}), on_demand_dns(metrics) {}
  Egress(const hbone::InnerOptions& inner_options, obs::OnDemandDnsMetrics& metrics,
         io::NameCache::Lookup lookup)
      : inner(inner_options),
        names(io::NameCacheOptions{}, std::move(lookup)),
        on_demand_dns(metrics) {}

  // When no connection is left, and before the pool ends, which carries the inner tunnels.
  Task<void> End() {
    co_await inner.End(std::chrono::seconds(1));
    co_await names.End();
  }

  hbone::InnerSessions inner;
  io::NameCache names;
  obs::OnDemandDnsMetrics& on_demand_dns;
};

}  // namespace aquifer::node
