#include "control/deploy/wanted.h"

#include <algorithm>
#include <array>

#include "control/deploy/settings.h"
#include "control/resources.h"
#include "core/base/check.h"
#include "kube/object_path.h"

namespace aquifer::control {
namespace {

constexpr std::array<DeployedRow, 6> kRows = {{
    {DeployedKind::kServiceAccount, "ServiceAccount", "v1", "serviceaccounts", "serviceAccount"},
    {DeployedKind::kDeployment, "Deployment", "apps/v1", "deployments", "deployment"},
    {DeployedKind::kService, "Service", "v1", "services", "service"},
    {DeployedKind::kHorizontalPodAutoscaler, "HorizontalPodAutoscaler", "autoscaling/v2",
     "horizontalpodautoscalers", "horizontalPodAutoscaler"},
    {DeployedKind::kPodDisruptionBudget, "PodDisruptionBudget", "policy/v1", "poddisruptionbudgets",
     "podDisruptionBudget"},
    {DeployedKind::kConfigMap, "ConfigMap", "v1", "configmaps", ""},
}};

std::string HashOf(const Json& body) { return ContentVersion(WriteJson(body)); }

}  // namespace

std::span<const DeployedRow> DeployedRows() { return kRows; }

const DeployedRow& RowOf(DeployedKind kind) {
  const DeployedRow& row = kRows[static_cast<size_t>(kind)];
  AQ_CHECK(row.kind == kind);
  return row;
}

std::string DeployedKey::ToString() const {
  return std::string(RowOf(kind).word) + " " + namespace_name + "/" + name;
}

std::string DeployedKey::Path() const {
  const DeployedRow& row = RowOf(kind);
  return kube::ObjectPath(row.api_version, row.plural, namespace_name, name);
}

void Finish(WantedObject& wanted) {
  const DeployedRow& row = RowOf(wanted.key.kind);
  Json& body = wanted.body;
  body["apiVersion"] = row.api_version;
  body["kind"] = row.word;
  Json& metadata = body["metadata"];
  metadata["name"] = wanted.key.name;
  metadata["namespace"] = wanted.key.namespace_name;
  for (const auto& [key, value] : wanted.marks) metadata["labels"][key] = value;
  const std::string hash = HashOf(body);
  metadata["annotations"][std::string(kAppliedAnnotation)] = hash;
}

std::string_view MetadataText(const Json& object, std::string_view map, std::string_view key) {
  const Json* place = &object;
  for (const std::string_view step : {std::string_view("metadata"), map, key}) {
    if (!place->is_object()) return "";
    const auto found = place->find(step);
    if (found == place->end()) return "";
    place = &*found;
  }
  return place->is_string() ? std::string_view(place->get_ref<const std::string&>()) : "";
}

bool HasMarks(const Json& object, const Labels& marks) {
  return std::all_of(marks.begin(), marks.end(), [&](const auto& mark) {
    return MetadataText(object, "labels", mark.first) == mark.second;
  });
}

}  // namespace aquifer::control
