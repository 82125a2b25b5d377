#include "core/obs/on_demand_dns.h"

namespace aquifer::obs {
namespace {

std::string_view OrUnknown(std::string_view value) { return value.empty() ? "unknown" : value; }

}  // namespace

OnDemandDnsMetrics::OnDemandDnsMetrics(Registry& registry)
    : requests_(registry.AddCounter(
          {.name = "istio_on_demand_dns",
           .help = "Host names of workloads that were looked up for a connection (unstable)",
           .expires = true})) {}

void OnDemandDnsMetrics::Count(const TcpPeerLabels& source, std::string_view hostname) {
  requests_
      .With({{"source_workload", OrUnknown(source.workload)},
             {"source_canonical_service", OrUnknown(source.canonical_service)},
             {"source_canonical_revision", OrUnknown(source.canonical_revision)},
             {"source_workload_namespace", OrUnknown(source.workload_namespace)},
             {"source_principal", OrUnknown(source.principal)},
             {"source_app", OrUnknown(source.app)},
             {"source_version", OrUnknown(source.version)},
             {"source_cluster", OrUnknown(source.cluster)},
             {"hostname", OrUnknown(hostname)}})
      ->Add();
}

}  // namespace aquifer::obs
