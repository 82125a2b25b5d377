// The waypoint or gateway as a whole: the control loop with its clients (control plane, CA) and its
// servers (admin, metrics, readiness), and the workers it feeds. main() builds one and runs it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/app/local_servers.h"
#include "core/obs/log.h"
#include "core/obs/metrics.h"
#include "mesh/builder.h"
#include "mesh/xds_sink.h"
#include "proxy/control_plane_client.h"
#include "proxy/crl_watch.h"
#include "waypoint/config.h"
#include "waypoint/rules_sink.h"
#include "waypoint/worker.h"

namespace aquifer::waypoint {

class Proxy {
 public:
  // All references outlive the proxy.
  Proxy(const Config& config, obs::Logger& log, obs::Registry& registry);
  ~Proxy();

  // Starts everything in order, serves until `stop`, then drains and ends everything in reverse. A
  // refusal is a start that failed; its field says which part.
  Task<Result<void, Refusal>> Run(StopToken stop);

  // What still has to happen before the proxy is ready; empty: ready.
  std::vector<std::string> Pending() const;

 private:
  Result<void, Refusal> StartServers();
  Task<std::string> Dump();
  Result<void, Refusal> StartWorkers();
  void SpawnClients();
  Task<Result<void, Refusal>> OpenWorkers();
  Task<void> ShutdownAll();
  void MeshIsKnown();
  void Consider();

  const Config& config_;
  obs::Logger& log_;
  obs::Registry& registry_;
  RequestMetrics metrics_;
  obs::HboneMetrics hbone_metrics_;
  obs::CrlMetrics crl_metrics_;

  StopSource quit_;   // starts the drain
  StopSource ended_;  // after the drain: servers and clients
  proxy::ControlPlaneClient control_plane_;
  std::optional<proxy::CrlWatch> crls_;  // with CRL_PATH
  mesh::Builder builder_;
  RulesSink rules_sink_;
  mesh::MeshSink sink_;
  mesh::SnapshotRef snapshot_;
  RulesRef rules_;
  bool synced_ = false;
  Event known_;  // rules and mesh are whole
  app::LocalServers servers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool serving_ = false;
  bool draining_ = false;
  Scope tasks_;
};

}  // namespace aquifer::waypoint
