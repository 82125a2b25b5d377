// What this replica writes to its cluster: it takes part in the election, and while it leads it
// writes statuses. Owned by the ControlPlane; its loop.
#pragma once

#include <string>

#include "control/kube/client.h"
#include "control/write/leader.h"
#include "control/write/status_writer.h"

namespace aquifer::control {

struct ClusterWriterOptions {
  LeaderOptions leader;
  WriteQueueOptions queue;
  MeshSettings mesh;
};

// Where the Lease is: as set, else the namespace of this pod, else aquifer-system.
std::string LeaseNamespace(const std::string& setting, const Environment& environment);
// The pod's name, or this machine's, and something that no other process has.
std::string LeaderIdentity(const Environment& environment);

class ClusterWriter {
 public:
  // `log` and `metrics` outlive it.
  ClusterWriter(const ClusterAccess& access, ClusterWriterOptions options, obs::Logger& log,
                ControlMetrics& metrics, std::uint64_t seed);

  // What is to be written from here on.
  void Take(PublicationRef publication) { statuses_.Take(std::move(publication)); }
  // Until `stop`; then nothing of it is left.
  Task<void> Run(StopToken stop);
  bool leads() const { return leader_.leads(); }
  // For what else only a leader does; before Run.
  void AddDuty(Leader::Duty duty) { leader_.AddDuty(std::move(duty)); }

 private:
  ApiClient client_;
  StatusWriter statuses_;
  Leader leader_;
};

}  // namespace aquifer::control
