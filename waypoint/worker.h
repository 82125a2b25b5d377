// One data thread: a loop, its view of rules and mesh, its certificates, its connections in both
// directions, and its share of the listeners (SO_REUSEPORT). The control loop talks to it by
// messages; nothing else is shared.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "certs/crl.h"
#include "certs/store.h"
#include "core/obs/crl_metrics.h"
#include "core/obs/log.h"
#include "core/obs/mesh_metrics.h"
#include "core/obs/metrics.h"
#include "core/rt/worker_thread.h"
#include "mesh/snapshot.h"
#include "waypoint/config.h"
#include "waypoint/rules.h"
#include "waypoint/telemetry.h"

namespace aquifer::waypoint {

// What the workers get from the process; all of it outlives them.
struct WorkerInputs {
  const Config& config;
  obs::Logger& log;
  RequestMetrics& metrics;
  obs::HboneMetrics& hbone_metrics;
  certs::CertStore& store;
  Loop& control;
  obs::CrlMetrics* crl_metrics = nullptr;  // null: revocation is not looked at
  certs::CrlSetRef crls;                   // what counts at first, then
};

class Worker {
 public:
  // Starts the thread and returns once its loop runs, or fails.
  static Result<std::unique_ptr<Worker>> Start(const WorkerInputs& inputs, unsigned index);
  // After Shutdown has called back.
  ~Worker();

  // From the control loop; take effect on the worker's.
  void SetRules(RulesRef rules);
  void SetMesh(mesh::SnapshotRef snapshot);
  // As certs::Revocations::SetLists.
  void SetCrls(certs::CrlSetRef crls);
  // From here on listeners follow the rules: before, nothing is taken that could not be judged.
  // `done` is told on the control loop whether the first ones could be opened.
  void Open(std::function<void(Status)> done);
  // No new connections or requests; `done` when those there have ended or `deadline` has cut them.
  void Shutdown(Clock::duration deadline, std::function<void()> done);

 private:
  struct State;
  explicit Worker(const WorkerInputs& inputs) : inputs_(inputs) {}
  void Post(std::function<void(State&)> work) { thread_->Post(std::move(work)); }

  const WorkerInputs inputs_;
  std::unique_ptr<WorkerThread<State>> thread_;
};

}  // namespace aquifer::waypoint
