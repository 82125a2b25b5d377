#include "control/deploy/plan.h"

#include <algorithm>
#include <utility>

#include "control/deploy/gateway_service.h"
#include "control/deploy/strategic_merge.h"

namespace aquifer::control {
namespace {

Json OwnerOf(const Gateway& gateway) {
  return {{"apiVersion", std::string(kGatewayGroup) + "/v1"},
          {"kind", "Gateway"},
          {"name", gateway.meta.name},
          {"uid", gateway.meta.uid}};
}

Json SelectorOf(const Gateway& gateway) {
  Json selector;
  selector["matchLabels"][std::string(kGatewayNameLabel)] = gateway.meta.name;
  return selector;
}

Json DeploymentSpec(const DeploymentParts& parts) {
  return {{"selector", SelectorOf(parts.gateway)}, {"template", PodTemplate(parts)}};
}

Json AutoscalerSpec(const DeploymentParts& parts) {
  Json target = {{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", parts.names.name}};
  return {{"maxReplicas", 1}, {"scaleTargetRef", std::move(target)}};
}

Json Metadata(const DeploymentParts& parts, DeployedKind kind) {
  Labels labels = CopiedLabels(parts.gateway);
  labels[std::string(kGatewayClassLabel)] = parts.gateway.class_name;
  Labels annotations = CopiedAnnotations(parts.gateway);
  if (kind == DeployedKind::kService && parts.role == GatewayRole::kWaypoint)
    annotations.emplace("networking.istio.io/traffic-distribution", "PreferClose");
  return {{"labels", std::move(labels)},
          {"annotations", std::move(annotations)},
          {"ownerReferences", Json::array({OwnerOf(parts.gateway)})}};
}

Result<Json, DeployProblem> Base(const DeploymentParts& parts, DeployedKind kind) {
  Json body;
  body["metadata"] = Metadata(parts, kind);
  switch (kind) {
    case DeployedKind::kServiceAccount:
    case DeployedKind::kConfigMap:
      break;
    case DeployedKind::kDeployment:
      body["spec"] = DeploymentSpec(parts);
      break;
    case DeployedKind::kService: {
      AQ_TRY(body["spec"], ServiceSpec(parts));
      break;
    }
    case DeployedKind::kHorizontalPodAutoscaler:
      body["spec"] = AutoscalerSpec(parts);
      break;
    case DeployedKind::kPodDisruptionBudget:
      body["spec"]["selector"] = SelectorOf(parts.gateway);
      break;
  }
  return body;
}

bool IsWanted(const DeploymentParts& parts, const DeployedRow& row,
              std::span<const Overlays* const> overlays) {
  switch (row.kind) {
    case DeployedKind::kServiceAccount:
      return parts.names.own_account;
    case DeployedKind::kDeployment:
    case DeployedKind::kService:
      return true;
    case DeployedKind::kHorizontalPodAutoscaler:
    case DeployedKind::kPodDisruptionBudget:
      return std::any_of(overlays.begin(), overlays.end(), [&](const Overlays* overlay) {
        return overlay->patches.contains(row.kind);
      });
    case DeployedKind::kConfigMap:
      return false;
  }
  return false;
}

// Whatever patches say of labels, the Deployment has to find its pods. False if there is no place
// for them any more.
bool MarkPods(WantedObject& deployment) {
  Json* place = &deployment.body["spec"];
  for (const char* step : {"template", "metadata", "labels"}) {
    if (!place->is_object()) return false;
    place = &(*place)[step];
    if (place->is_null()) *place = Json::object();
  }
  if (!place->is_object()) return false;
  for (const auto& [key, value] : deployment.marks) (*place)[key] = value;
  return true;
}

Result<WantedObject, DeployProblem> PlanObject(const DeploymentParts& parts, const DeployedRow& row,
                                               std::span<const Overlays* const> overlays) {
  WantedObject wanted;
  wanted.key = {row.kind, parts.gateway.meta.namespace_name, parts.names.name};
  wanted.marks = MarksOf(parts.gateway);
  AQ_TRY(wanted.body, Base(parts, row.kind));
  for (const Overlays* overlay : overlays) {
    const auto patch = overlay->patches.find(row.kind);
    if (patch == overlay->patches.end()) continue;
    const Result<void, Refusal> merged = StrategicMerge(wanted.body, patch->second);
    if (!merged.ok()) {
      return DeployProblem{std::string(kInvalidParameters),
                           std::string(row.overlay) + "." + merged.error().ToString()};
    }
  }
  if (row.kind == DeployedKind::kDeployment && !MarkPods(wanted)) {
    return DeployProblem{std::string(kInvalidParameters),
                         "deployment.spec.template.metadata.labels: is no mapping"};
  }
  Finish(wanted);
  return wanted;
}

}  // namespace

Result<std::vector<WantedObject>, DeployProblem> PlanGateway(
    const DeploymentParts& parts, std::span<const Overlays* const> overlays) {
  std::vector<WantedObject> objects;
  for (const DeployedRow& row : DeployedRows()) {
    if (!IsWanted(parts, row, overlays)) continue;
    AQ_TRY(WantedObject wanted, PlanObject(parts, row, overlays));
    objects.push_back(std::move(wanted));
  }
  return objects;
}

WantedObject RootConfigMap(const std::string& namespace_name, const std::string& name,
                           const std::string& roots_pem) {
  WantedObject wanted;
  wanted.key = {DeployedKind::kConfigMap, namespace_name, name};
  wanted.marks = {{std::string(kManagedByLabel), std::string(kManagedBy)}};
  wanted.body["data"][std::string(kRootKey)] = roots_pem;
  Finish(wanted);
  return wanted;
}

}  // namespace aquifer::control
