#include "control/metrics.h"

namespace aquifer::control {
namespace {

constexpr size_t kFewSeries = 64;  // labels are ours or of a closed list

obs::FamilyOptions Of(std::string name, std::string help, std::string unit = "") {
  return {.name = std::move(name),
          .help = std::move(help),
          .unit = std::move(unit),
          .max_series = kFewSeries};
}

}  // namespace

ControlMetrics::ControlMetrics(obs::Registry& registry)
    : readings(registry.AddCounter(
          Of("aquifer_control_readings", "States of the objects that were taken in"))),
      problems(
          registry.AddGauge(Of("aquifer_control_problems",
                               "Documents refused now, and objects that contradict each other"))),
      problems_found(registry.AddCounter(
          Of("aquifer_control_problems_found", "Documents refused and contradictions found"))),
      kinds_skipped(registry.AddCounter(
          Of("aquifer_control_kinds_skipped", "Kinds of objects found that are not used here"))),
      objects(registry.AddGauge(Of("aquifer_control_objects", "Objects of the mesh by kind"))),
      resources(registry.AddGauge(Of("aquifer_control_resources", "Resources served by type"))),
      reconcile_time(registry.AddHistogram(
          Of("aquifer_control_reconcile_seconds", "Time from objects to resources", "seconds"),
          {0.001, 0.01, 0.1, 1, 10})),
      certificates(registry.AddCounter(
          Of("aquifer_control_certificate_requests", "Requests for certificates by outcome"))),
      connections(registry.AddCounter(
          Of("aquifer_control_connections", "Connections to discovery and CA by outcome"))),
      leader(registry.AddGauge(
          Of("aquifer_control_leader", "Whether this replica leads and writes to the cluster"))),
      leader_terms(registry.AddCounter(
          Of("aquifer_control_leader_terms", "Times that this replica began to lead"))),
      writes(registry.AddCounter(
          Of("aquifer_control_writes", "Objects looked at to write them, by kind and outcome"))),
      deployments(registry.AddCounter(
          Of("aquifer_control_deployments",
             "Objects of Gateways' deployments and of roots, by kind and what was done"))) {}

}  // namespace aquifer::control
