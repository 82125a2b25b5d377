// Turns each state of the objects into a Publication, and tells the operator what changed:
// documents refused, conditions, contradictions. Knows no server, and of its source only the
// Observation: a directory of manifests or a cluster feeds it. One thread, that of its source.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "control/metrics.h"
#include "control/publication.h"
#include "control/reconcile/settings.h"
#include "control/source/observation.h"
#include "core/obs/log.h"

namespace aquifer::control {

class Controller {
 public:
  // `log` and `metrics` outlive the controller.
  Controller(MeshSettings settings, obs::Logger& log, ControlMetrics& metrics);

  PublicationRef Take(Observation seen);

 private:
  void ReportProblems(const Observation& seen, const std::vector<std::string>& warnings);
  void ReportSkipped(const std::set<std::string>& kinds);
  void ReportStatuses(const StatusMap& statuses);
  void Count(const ObjectSet& objects, const ResourceTable& table);

  const MeshSettings settings_;
  obs::Logger& log_;
  ControlMetrics& metrics_;
  PublicationRef current_;
  std::set<std::string> problems_;  // as logged
  std::set<std::string> skipped_;
};

}  // namespace aquifer::control
