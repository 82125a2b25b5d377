#include "core/obs/on_demand_dns.h"

namespace aquifer::obs {

OnDemandDnsMetrics::OnDemandDnsMetrics(Registry& registry)
    : requests_(registry.AddCounter(
          {.name = "istio_on_demand_dns",
           .help = "Host names of workloads that were looked up for a connection (unstable)",
           .expires = true})) {}

void OnDemandDnsMetrics::Count(const TcpPeerLabels& source, std::string_view hostname) {
  std::vector<Label> labels = SourceLabelList(source);
  labels.push_back({"hostname", OrUnknown(hostname)});
  requests_.With(labels)->Add();
}

}  // namespace aquifer::obs
