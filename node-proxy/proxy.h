// The node proxy as a whole: the control loop with its clients (control plane, CA, node agent) and
// its servers (admin, stats, readiness), and the workers it feeds. main() builds one and runs it;
// members are in the order in which they depend on each other.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/app/expiry.h"
#include "core/app/local_servers.h"
#include "core/obs/log.h"
#include "core/obs/mesh_metrics.h"
#include "core/obs/metrics.h"
#include "core/obs/on_demand_dns.h"
#include "core/obs/tcp_metrics.h"
#include "mesh/builder.h"
#include "mesh/xds_sink.h"
#include "node-proxy/cert_prefetch.h"
#include "node-proxy/config.h"
#include "node-proxy/config_dump.h"
#include "node-proxy/demand.h"
#include "node-proxy/worker.h"
#include "proxy/control_plane_client.h"
#include "proxy/crl_watch.h"
#include "redirect/cni_client.h"

namespace aquifer::node {

class Proxy final : public redirect::PodHandler {
 public:
  // All references outlive the proxy.
  Proxy(const Config& config, obs::Logger& log, obs::Registry& registry);
  ~Proxy() override;

  // Starts everything in order, serves until `stop`, then drains and ends everything in reverse. An
  // error is a start that failed; its field says which part.
  Task<Result<void, Refusal>> Run(StopToken stop);

  // What still has to happen before the proxy is ready; empty: ready.
  std::vector<std::string> Pending() const;

  // --- redirect::PodHandler ---
  Task<Result<void, std::string>> StartPod(redirect::Pod pod, StopToken stop) override;
  Task<void> StopPod(std::string uid) override;

 private:
  Result<void, Refusal> BuildAuthority();
  Result<void, Refusal> LoadLocalMesh();
  Result<void, Refusal> StartWorkers();
  Result<void, Refusal> StartServers();
  Task<std::string> Dump();
  Task<Result<void, Refusal>> StartDedicated();
  Task<void> StartSelf();
  void SpawnClients();
  Task<void> ShutdownAll();
  void Publish(mesh::SnapshotRef snapshot);
  void MeshIsKnown();
  void CountZds(const redirect::CniClient::Counters& counters);

  const Config& config_;
  obs::Logger& log_;
  obs::Registry& registry_;
  obs::TcpMetrics tcp_metrics_;
  obs::WorkloadManagerMetrics pod_metrics_;
  obs::HboneMetrics hbone_metrics_;
  dns::DnsMetrics dns_metrics_;
  obs::CrlMetrics crl_metrics_;
  obs::OnDemandDnsMetrics on_demand_dns_;
  obs::LimitMetrics limit_metrics_;
  NodeBudget budget_;

  StopSource quit_;   // starts the drain
  StopSource ended_;  // after the drain: servers and clients
  proxy::ControlPlaneClient control_plane_;
  std::optional<CertPrefetch> prefetch_;
  std::optional<proxy::CrlWatch> crls_;  // with CRL_PATH
  std::optional<Demand> demand_;
  mesh::Builder builder_;
  mesh::MeshSink sink_;
  mesh::SnapshotRef snapshot_;
  bool mesh_known_ = false;
  Event mesh_synced_;
  std::unique_ptr<redirect::CniClient> cni_;
  std::vector<obs::Registry::Callback> zds_counts_;  // of cni_
  app::LocalServers servers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  PodsByUid pods_;
  bool serving_ = false;
  bool draining_ = false;
  Scope tasks_;
  Scope clients_;
};

}  // namespace aquifer::node
