// The waypoint or gateway as a whole: the control loop with its clients (control plane, CA) and its
// servers (admin, metrics, readiness), and the workers it feeds. main() builds one and runs it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "certs/channel.h"
#include "certs/store.h"
#include "core/http/server.h"
#include "core/obs/log.h"
#include "core/obs/metrics.h"
#include "mesh/builder.h"
#include "mesh/xds_client.h"
#include "mesh/xds_sink.h"
#include "waypoint/config.h"
#include "waypoint/rules_sink.h"
#include "waypoint/worker.h"

namespace aquifer::waypoint {

class Proxy final : private mesh::XdsObserver {
 public:
  // All references outlive the proxy.
  Proxy(const Config& config, obs::Logger& log, obs::Registry& registry);
  ~Proxy() override;

  // Starts everything in order, serves until `stop`, then drains and ends everything in reverse. A
  // refusal is a start that failed; its field says which part.
  Task<Result<void, Refusal>> Run(StopToken stop);

  // What still has to happen before the proxy is ready; empty: ready.
  std::vector<std::string> Pending() const;

 private:
  void BuildStore();
  Result<void, Refusal> StartServers();
  Result<void, Refusal> StartWorkers();
  void SpawnClients();
  Task<Result<void, Refusal>> OpenWorkers();
  Task<void> ShutdownAll();
  Task<void> RunStore();

  Task<http::Response> Admin(const http::Request& request, StopToken stop);
  Task<http::Response> Stats(const http::Request& request, StopToken stop);
  Task<http::Response> Ready(const http::Request& request, StopToken stop);

  void OnConnected() override;
  void OnDisconnected(std::string_view reason, const std::string& detail) override;
  void OnResponse(std::string_view type_url, std::size_t resources, std::size_t removed,
                  std::size_t bytes) override;
  void OnRefused(std::string_view type_url, const Refusal& refusal) override;
  void OnSynced() override;
  void Consider();

  const Config& config_;
  obs::Logger& log_;
  obs::Registry& registry_;
  RequestMetrics metrics_;
  obs::HboneMetrics hbone_metrics_;
  obs::CounterFamily& xds_terminations_;
  obs::CounterFamily& xds_messages_;
  obs::CounterFamily& xds_refused_;
  obs::RateLimiter refusals_{5};

  StopSource quit_;   // starts the drain
  StopSource ended_;  // after the drain: servers and clients
  std::unique_ptr<certs::Channel> xds_channel_;
  std::unique_ptr<certs::Channel> ca_channel_;
  std::unique_ptr<certs::Authority> authority_;
  std::unique_ptr<certs::CertStore> store_;
  mesh::Builder builder_;
  RulesSink rules_sink_;
  mesh::MeshSink sink_;
  std::unique_ptr<mesh::XdsState> xds_state_;
  std::unique_ptr<mesh::XdsClient> xds_client_;
  mesh::SnapshotRef snapshot_;
  RulesRef rules_;
  bool synced_ = false;
  Event known_;  // rules and mesh are whole
  std::vector<std::unique_ptr<http::Server>> servers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool serving_ = false;
  bool draining_ = false;
  Scope tasks_;
};

}  // namespace aquifer::waypoint
