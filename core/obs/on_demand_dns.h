// istio_on_demand_dns: names of the mesh that had to be looked up for a connection. One object for
// the process; any thread.
#pragma once

#include <string_view>

#include "core/obs/tcp_metrics.h"

namespace aquifer::obs {

class OnDemandDnsMetrics {
 public:
  explicit OnDemandDnsMetrics(Registry& registry);

  // A connection of `source` needed an address of `hostname`, remembered or not.
  void Count(const TcpPeerLabels& source, std::string_view hostname);

 private:
  CounterFamily& requests_;
};

}  // namespace aquifer::obs
