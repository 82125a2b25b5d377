#include "cli/why/model.h"

#include <algorithm>

#include "control/reconcile/workloads.h"
#include "mesh/builder.h"
#include "mesh/xds_sink.h"
#include "waypoint/rules_sink.h"

namespace aquifer::cli {
namespace {

using control::Resource;
using control::ResourceType;

const std::map<std::string, Resource>& Of(const control::Reconciled& reconciled,
                                          ResourceType type) {
  return reconciled.resources.types[static_cast<size_t>(type)];
}

// Whether a proxy of that Gateway is told of the resource.
bool IsFor(const Resource& resource, const std::string& gateway) {
  return !resource.restricted || std::find(resource.gateways.begin(), resource.gateways.end(),
                                           gateway) != resource.gateways.end();
}

}  // namespace

Model::Model(control::ObjectSet objects, control::MeshSettings settings)
    : objects_(std::move(objects)),
      settings_(std::move(settings)),
      index_(objects_, settings_),
      gateways_(control::BindGateways(index_)),
      reconciled_(control::Reconcile(objects_, settings_)) {
  TakeIn();
}

void Model::TakeIn() {
  mesh::Builder builder;
  mesh::MeshSink sink(builder, [this](mesh::SnapshotRef built) { snapshot_ = std::move(built); });
  sink.BeginResponse();
  for (const ResourceType type : {ResourceType::kAddress, ResourceType::kAuthorization}) {
    for (const auto& [name, resource] : Of(reconciled_, type)) {
      const auto taken = sink.OnResource(control::TypeUrl(type), name, resource.bytes);
      if (!taken.ok()) refused_.push_back({name, taken.error().ToString()});
    }
  }
  sink.CommitResponse();
  if (snapshot_ == nullptr) snapshot_ = builder.Build();
}

waypoint::RulesRef Model::RulesOf(const control::BoundGateway& gateway) const {
  waypoint::RulesRef rules;
  waypoint::RulesSink sink({gateway.namespace_name(), gateway.name()},
                           [&rules](waypoint::RulesRef made) { rules = std::move(made); });
  const std::string name = gateway.namespace_name() + "/" + gateway.name();
  for (const ResourceType type :
       {ResourceType::kGateway, ResourceType::kHttpRoute, ResourceType::kAuthorizationPolicy}) {
    for (const auto& [key, resource] : Of(reconciled_, type)) {
      if (!IsFor(resource, name)) continue;
      // A refusal has its effect in the rules, which say so.
      std::ignore = sink.OnResource(control::TypeUrl(type), key, resource.bytes);
    }
  }
  sink.CommitResponse();
  return rules;
}

const control::Pod* Model::PodOf(const mesh::Workload& workload) const {
  const control::Pod* const pod = control::FindObject(objects_.pods, workload.ns, workload.name);
  const bool same = pod != nullptr && workload.uid == control::WorkloadUid(*pod, settings_);
  return same ? pod : nullptr;
}

mesh::WorkloadRef Model::WorkloadOf(const control::Pod& pod) const {
  return snapshot_->FindWorkload(control::WorkloadUid(pod, settings_));
}

const control::BoundGateway* Model::GatewayOf(const control::Pod& pod) const {
  for (const auto& [key, gateway] : gateways_) {
    if (std::find(gateway.pods.begin(), gateway.pods.end(), &pod) != gateway.pods.end())
      return &gateway;
  }
  return nullptr;
}

const control::Condition* Model::ConditionOf(control::Kind kind, const control::Meta& meta,
                                             std::string_view type) const {
  const auto found = reconciled_.statuses.find({kind, meta.namespace_name, meta.name});
  return found == reconciled_.statuses.end()
             ? nullptr
             : control::FindCondition(found->second.conditions, type);
}

}  // namespace aquifer::cli
