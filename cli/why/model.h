// What proxies hold of a set of objects: reconciled by the control plane's own code, served as its
// bytes, and taken in by the sinks that proxies have. Nothing here knows what a policy means. One
// thread; what it hands out lives as long as it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "control/reconcile/gateways.h"
#include "control/reconcile/index.h"
#include "control/reconcile/reconcile.h"
#include "mesh/snapshot.h"
#include "waypoint/rules.h"

namespace aquifer::cli {

class Model {
 public:
  Model(control::ObjectSet objects, control::MeshSettings settings);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const control::ObjectSet& objects() const { return objects_; }
  const control::MeshSettings& settings() const { return settings_; }
  const control::MeshIndex& index() const { return index_; }
  const control::Reconciled& reconciled() const { return reconciled_; }

  // As every node proxy has it.
  const mesh::Snapshot& snapshot() const { return *snapshot_; }
  // As the proxies of that Gateway have them; null if it is none of ours.
  waypoint::RulesRef RulesOf(const control::BoundGateway& gateway) const;
  // What a proxy refused to take, with why.
  const std::vector<Refusal>& refused() const { return refused_; }

  // The pod behind a workload; null if there is none.
  const control::Pod* PodOf(const mesh::Workload& workload) const;
  mesh::WorkloadRef WorkloadOf(const control::Pod& pod) const;
  // The Gateway that the pod serves; null for other pods.
  const control::BoundGateway* GatewayOf(const control::Pod& pod) const;
  // A condition that the control plane writes; null if it does not.
  const control::Condition* ConditionOf(control::Kind kind, const control::Meta& meta,
                                        std::string_view type) const;

 private:
  void TakeIn();

  const control::ObjectSet objects_;
  const control::MeshSettings settings_;
  const control::MeshIndex index_;
  const control::GatewayMap gateways_;
  const control::Reconciled reconciled_;
  std::vector<Refusal> refused_;
  mesh::SnapshotRef snapshot_;
};

}  // namespace aquifer::cli
