// One data-plane thread: a loop, its view of the mesh, its certificates, its tunnels, and every
// captured pod's listeners, shared with the other workers by SO_REUSEPORT. The control loop talks
// to it through Post; nothing else is shared.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/obs/crl_metrics.h"
#include "core/obs/on_demand_dns.h"
#include "core/rt/worker_thread.h"
#include "node-proxy/connection_view.h"
#include "node-proxy/context.h"
#include "node-proxy/inbound_connections.h"
#include "node-proxy/pod_proxy.h"

namespace aquifer::node {

// What the workers get from the process; all of it outlives them.
struct WorkerInputs {
  const Config& config;
  obs::Logger& log;
  obs::TcpMetrics& tcp_metrics;
  obs::HboneMetrics& hbone_metrics;
  obs::OnDemandDnsMetrics& on_demand_dns;
  obs::LimitMetrics& limit_metrics;
  NodeBudget& budget;
  certs::CertStore& store;
  Loop& control;
  Demand* demand = nullptr;                // when discovery is on demand
  redirect::NetnsRef home;                 // the proxy's own network namespace
  dns::DnsMetrics* dns_metrics = nullptr;  // null: pods' DNS is not served
  obs::CrlMetrics* crl_metrics = nullptr;  // null: revocation is not looked at
  certs::CrlSetRef crls;                   // what counts at first, then
};

class Worker {
 public:
  // Starts the thread and returns once its loop runs, or fails.
  static Result<std::unique_ptr<Worker>> Start(const WorkerInputs& inputs, unsigned index);
  // After Shutdown has called back. Waits for the loop to end.
  ~Worker();

  // All of these may be called from the control loop and call back there.
  void SetSnapshot(mesh::SnapshotRef snapshot);
  // As certs::Revocations::SetLists.
  void SetCrls(certs::CrlSetRef crls);
  // Without a network namespace (dedicated mode) the pod is where the proxy is.
  void StartPod(redirect::Pod pod, std::function<void(Status)> done,
                PodProxy::Role role = PodProxy::Role::kCaptured);
  // Nobody new gets in; `done` once that is so. Those who are there have the drain's deadline.
  void StopPod(std::string uid, std::function<void()> done);
  // No new connections; `done` when those there have ended or `deadline` has passed and cut them.
  void Shutdown(Clock::duration deadline, std::function<void()> done);
  // Nothing is sent to the loop any more, after Shutdown: it ends, without being waited for. Until
  // then it is there for those who answer its connections late.
  void End();
  // The connections that are through, of every pod.
  void ListConnections(std::function<void(std::vector<ConnectionView>)> done);
  // Live connections by pod uid.
  void CountConnections(std::function<void(std::map<std::string, std::size_t>)> done);

 private:
  struct State;
  explicit Worker(const WorkerInputs& inputs) : inputs_(inputs) {}
  void Post(std::function<void(State&)> work) { thread_->Post(std::move(work)); }
  void Reply(std::function<void()> work) { inputs_.control.Post(std::move(work)); }

  const WorkerInputs inputs_;
  std::unique_ptr<WorkerThread<State>> thread_;
};

}  // namespace aquifer::node
