// Keeps the deployments of Gateways, and the ConfigMap with the mesh's root in every namespace, as
// the objects of the mesh ask for them. Works in passes: one after each change of the objects, and
// one from time to time that reads all our objects anew, which is how drift is found. Runs while
// this one of several control planes leads. One thread: its Loop's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/deploy/applier.h"
#include "control/deploy/plan.h"
#include "control/reconcile/status.h"
#include "core/rt/event.h"

namespace aquifer::control {

struct DeployOptions {
  ApplierOptions applier;
  Clock::duration refresh = std::chrono::seconds(10);      // between readings of our objects
  Clock::duration pause = std::chrono::milliseconds(500);  // between passes
  std::uint64_t roots_of_pass = 50;  // a Gateway must not wait for a thousand namespaces
};

// Of each Gateway that is deployed here: type kDeployed.
using DeployConditions = std::map<ObjectKey, Condition>;

// Says in the statuses of Gateways what became of their deployments. Parameters that cannot be used
// are a reason not to accept a Gateway, too.
void AddConditions(const DeployConditions& conditions, StatusMap& statuses);
// Before it is known what became of them: what another leader has written there stays.
void KeepConditions(StatusMap& statuses);

class Deployer {
 public:
  // References outlive the deployer.
  Deployer(ObjectWriter& writer, const DeploySettings& settings, const MeshSettings& mesh,
           obs::Logger& log, const DeployOptions& options = {});

  // From now on what is written is counted there.
  void CountIn(ControlMetrics& metrics) { applier_.CountIn(metrics); }
  // The objects as they are now.
  void Take(std::shared_ptr<const ObjectSet> objects);
  // What is written into every namespace.
  void SetRoots(std::string pem);
  // Until `stop`: one term. May be called again for the next one.
  Task<void> Run(StopToken stop);

  // Those of this term's last pass, once there has been one.
  const DeployConditions& conditions() const { return conditions_; }
  bool concluded() const { return concluded_; }
  // Called when they differ from before, and when a term's are known or its last. Must not call
  // back.
  void OnConditions(std::function<void()> changed) { on_conditions_ = std::move(changed); }

 private:
  using OverlaysResult = Result<Overlays, DeployProblem>;
  using Plan = Result<std::vector<WantedObject>, DeployProblem>;

  Task<void> AwaitNews(StopToken stop);
  Task<void> Pass(StopToken stop);
  Task<bool> Refresh(StopToken stop);
  Task<void> DeployGateways(const ObjectSet& objects, StopToken stop);
  Task<std::optional<DeployProblem>> Deploy(const ObjectSet& objects, const Gateway& gateway,
                                            GatewayRole role, StopToken stop);
  Task<Plan> FindPlan(const ObjectSet& objects, const Gateway& gateway, GatewayRole role,
                      StopToken stop);
  DeployProblem FailureOf(const std::vector<WantedObject>& objects) const;
  Task<Applier::Outcome> LookAtAll(const std::vector<WantedObject>& objects, StopToken stop);
  Task<Result<std::vector<const Overlays*>, DeployProblem>> OverlaysFor(const ObjectSet& objects,
                                                                        const Gateway& gateway,
                                                                        StopToken stop);
  Task<OverlaysResult> ReadParameters(const ParametersPlace& place, StopToken stop);
  Task<void> RemoveOthers(const Gateway& gateway, const std::vector<WantedObject>& wanted,
                          StopToken stop);
  Task<void> WriteRoots(const ObjectSet& objects, StopToken stop);
  NameWitness WitnessOf(const ObjectSet& objects, const Gateway& gateway) const;
  bool IsAvailable(const std::vector<WantedObject>& wanted) const;
  void Conclude(DeployConditions conditions);

  const DeploySettings settings_;
  const MeshSettings& mesh_;
  obs::Logger& log_;
  const DeployOptions options_;
  Applier applier_;
  ObjectWriter& writer_;
  std::shared_ptr<const ObjectSet> objects_;  // null: not known yet
  std::string roots_pem_;
  std::map<ParametersPlace, OverlaysResult> parameters_;  // as read since the last refresh
  std::optional<TimePoint> refreshed_at_;
  std::string refresh_problem_;
  bool failing_ = false;  // something is to be tried again soon
  DeployConditions conditions_;
  bool concluded_ = false;
  std::function<void()> on_conditions_;
  Event news_;
};

}  // namespace aquifer::control
