// The node proxy as a whole: the control loop with its clients (control plane, CA, node agent) and
// its servers (admin, stats, readiness), and the workers it feeds. main() builds one and runs it;
// members are in the order in which they depend on each other.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "certs/channel.h"
#include "certs/store.h"
#include "core/http/server.h"
#include "core/obs/log.h"
#include "core/obs/mesh_metrics.h"
#include "core/obs/metrics.h"
#include "core/obs/tcp_metrics.h"
#include "mesh/builder.h"
#include "mesh/xds_client.h"
#include "mesh/xds_sink.h"
#include "node-proxy/config.h"
#include "node-proxy/worker.h"
#include "redirect/cni_client.h"

namespace aquifer::node {

class Proxy final : public redirect::PodHandler, public mesh::XdsObserver {
 public:
  // All references outlive the proxy.
  Proxy(const Config& config, obs::Logger& log, obs::Registry& registry);
  ~Proxy() override;

  // Starts everything in order, serves until `stop`, then drains and ends everything in reverse. An
  // error is a start that failed; its field says which part.
  Task<Result<void, Refusal>> Run(StopToken stop);

  // --- for admin ---
  const Config& config() const { return config_; }
  obs::Logger& log() { return log_; }
  obs::Registry& registry() { return registry_; }
  mesh::SnapshotRef snapshot() const { return snapshot_; }
  const certs::CertStore& certificates() const { return *store_; }
  const std::set<std::string>& pods() const { return pods_; }
  // What still has to happen before the proxy is ready; empty: ready.
  std::vector<std::string> Pending() const;
  void Quit() { quit_.RequestStop(Reason::kStopped); }

  // --- redirect::PodHandler ---
  Task<Result<void, std::string>> StartPod(redirect::Pod pod, StopToken stop) override;
  Task<void> StopPod(std::string uid) override;

 private:
  Result<void, Refusal> BuildAuthority();
  Result<void, Refusal> LoadLocalMesh();
  Result<void, Refusal> StartWorkers();
  Result<void, Refusal> StartServers();
  Task<Result<void, Refusal>> StartDedicated();
  void SpawnClients();
  Task<void> ShutdownAll();
  void Publish(mesh::SnapshotRef snapshot);
  void CountZds(const redirect::CniClient::Counters& counters);
  Task<void> RunStore();
  Task<http::Response> Ready(const http::Request& request, StopToken stop);
  Task<http::Response> Stats(const http::Request& request, StopToken stop);

  void OnConnected() override;
  void OnDisconnected(std::string_view reason, const std::string& detail) override;
  void OnResponse(std::string_view type_url, std::size_t resources, std::size_t removed,
                  std::size_t bytes) override;
  void OnRefused(std::string_view type_url, const Refusal& refusal) override;
  void OnSynced() override;

  const Config& config_;
  obs::Logger& log_;
  obs::Registry& registry_;
  obs::TcpMetrics tcp_metrics_;
  obs::XdsMetrics xds_metrics_;
  obs::WorkloadManagerMetrics pod_metrics_;
  obs::HboneMetrics hbone_metrics_;
  obs::CounterFamily& xds_refused_;
  obs::RateLimiter refusals_{5};

  StopSource quit_;   // starts the drain
  StopSource ended_;  // after the drain: servers and clients
  std::unique_ptr<certs::Channel> xds_channel_;
  std::unique_ptr<certs::Channel> ca_channel_;
  std::unique_ptr<certs::Authority> authority_;
  std::unique_ptr<certs::CertStore> store_;
  mesh::Builder builder_;
  mesh::MeshSink sink_;
  std::unique_ptr<mesh::XdsState> xds_state_;
  std::unique_ptr<mesh::XdsClient> xds_client_;
  mesh::SnapshotRef snapshot_;
  bool mesh_known_ = false;
  Event mesh_synced_;
  std::unique_ptr<redirect::CniClient> cni_;
  std::vector<obs::Registry::Callback> zds_counts_;  // of cni_
  std::vector<std::unique_ptr<http::Server>> servers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::set<std::string> pods_;
  bool serving_ = false;
  bool draining_ = false;
  Scope tasks_;
  Scope clients_;
};

}  // namespace aquifer::node
