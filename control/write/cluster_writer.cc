#include "control/write/cluster_writer.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <random>
#include <utility>

#include "certs/wall_clock.h"
#include "control/names.h"

namespace aquifer::control {

std::string LeaseNamespace(const std::string& setting, const Environment& environment) {
  if (!setting.empty()) return setting;
  const std::string own = environment("POD_NAMESPACE").value_or("");
  return IsDnsLabel(own) ? own : "aquifer-system";
}

std::string LeaderIdentity(const Environment& environment) {
  std::string name = environment("POD_NAME").value_or("");
  if (!IsDnsSubdomain(name)) {
    std::array<char, 256> host{};
    name = ::gethostname(host.data(), host.size() - 1) == 0 ? host.data() : "aquifer-control";
  }
  std::random_device random;
  std::array<char, 20> own{};
  std::snprintf(own.data(), own.size(), "_%08x%08x", random(), random());
  return name + own.data();
}

ClusterWriter::ClusterWriter(const ClusterAccess& access, ClusterWriterOptions options,
                             obs::Logger& log, ControlMetrics& metrics, std::uint64_t seed)
    : client_(access, &certs::SystemWallTime),
      statuses_(client_, std::move(options.mesh), options.queue, &certs::SystemWallTime, log,
                metrics, seed),
      leader_(client_, std::move(options.leader), &certs::SystemWallTime, log, metrics, seed + 1) {
  leader_.AddDuty([this](StopToken term) { return statuses_.Lead(term); });
}

Task<void> ClusterWriter::Run(StopToken stop) {
  co_await leader_.Run(stop);
  co_await client_.Shutdown();
}

}  // namespace aquifer::control
