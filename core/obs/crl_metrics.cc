#include "core/obs/crl_metrics.h"

namespace aquifer::obs {

CrlMetrics::CrlMetrics(Registry& registry)
    : rejections_(registry.AddCounter(
          {.name = "istio_crl_policy_rejections",
           .help = "Connections refused or ended because a certificate was revoked"})),
      untracked_(registry.AddCounter(
          {.name = "istio_crl_untracked_connections",
           .help = "Connections that a later change of the revocation lists cannot end"})) {}

void CrlMetrics::CountRejection(Reporter reporter) {
  rejections_.With({{"reporter", ReporterWord(reporter)}})->Add();
}

void CrlMetrics::CountUntracked(Reporter reporter) {
  untracked_.With({{"reporter", ReporterWord(reporter)}})->Add();
}

}  // namespace aquifer::obs
