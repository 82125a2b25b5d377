#include "control/deploy/parameters.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "control/kube/values.h"
#include "control/names.h"

namespace aquifer::control {
namespace {

constexpr YamlLimits kLimits{
    .text_bytes = 64 << 10, .document_bytes = 64 << 10, .documents = 2, .nodes = 5000, .depth = 32};

const DeployedRow* RowOfKey(std::string_view key) {
  const auto rows = DeployedRows();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const DeployedRow& candidate) {
    return !candidate.overlay.empty() && candidate.overlay == key;
  });
  return row == rows.end() ? nullptr : &*row;
}

bool Says(const Json& patch, const char* key, std::string_view expected) {
  return !patch.contains(key) || patch.at(key) == expected;
}

// Name, namespace, owners and selectors are what makes an object that of its Gateway.
std::string Forbidden(const Json& patch, const DeployedRow& row) {
  if (!Says(patch, "apiVersion", row.api_version)) return "apiVersion";
  if (!Says(patch, "kind", row.word)) return "kind";
  if (patch.contains("$patch")) return "$patch";
  if (patch.contains("status")) return "status";
  if (patch.contains("metadata")) {
    const Json& metadata = patch.at("metadata");
    if (!metadata.is_object()) return "metadata";
    for (const auto& [key, value] : metadata.items()) {
      const bool good = (key == "labels" || key == "annotations") && value.is_object() &&
                        !value.contains("$patch");
      if (!good) return "metadata." + PrintableText(key);
    }
  }
  if (!patch.contains("spec")) return "";
  const Json& spec = patch.at("spec");
  if (!spec.is_object() || spec.contains("$patch")) return "spec";
  return spec.contains("selector") ? "spec.selector" : "";
}

Decoded<Json> ReadPatch(const Json& text, const DeployedRow& row) {
  if (!text.is_string()) return Refusal{"", "expected text"};
  std::vector<YamlDocument> documents = ReadYaml(text.get_ref<const std::string&>(), kLimits);
  if (documents.size() != 1) return Refusal{"", "expected one document of YAML"};
  if (!documents[0].value.ok()) return documents[0].value.error();
  Json patch = *std::move(documents[0].value);
  if (!patch.is_object()) return Refusal{"", "expected a mapping"};
  const std::string forbidden = Forbidden(patch, row);
  if (!forbidden.empty()) return Refusal{forbidden, "may not be changed"};
  return patch;
}

}  // namespace

Decoded<Overlays> ReadOverlays(const Json& config_map) {
  Overlays overlays;
  const auto data = config_map.find("data");
  if (data == config_map.end() || data->is_null()) return overlays;
  if (!data->is_object()) return Refusal{"data", "expected a mapping"};
  for (const auto& [key, text] : data->items()) {
    const std::string at = "data." + PrintableText(key);
    const DeployedRow* row = RowOfKey(key);
    if (row == nullptr) {
      return Refusal{at,
                     "is none of deployment, service, serviceAccount, horizontalPodAutoscaler, "
                     "podDisruptionBudget"};
    }
    Decoded<Json> patch = ReadPatch(text, *row);
    if (!patch.ok()) {
      const Refusal& why = patch.error();
      return Refusal{why.field.empty() ? at : at + "." + why.field, why.why};
    }
    overlays.patches.emplace(row->kind, *std::move(patch));
  }
  return overlays;
}

Result<std::optional<ParametersPlace>, DeployProblem> PlaceOf(const std::optional<ObjectRef>& ref,
                                                              std::string_view owner) {
  if (!ref) return std::optional<ParametersPlace>();
  ParametersPlace place{ref->namespace_name, ref->name};
  if (place.namespace_name.empty()) place.namespace_name = owner;
  const bool good = ref->group.empty() && ref->kind == "ConfigMap" &&
                    IsDnsLabel(place.namespace_name) && IsDnsSubdomain(place.name);
  if (good) return std::optional(std::move(place));
  return DeployProblem{std::string(kInvalidParameters),
                       "parametersRef has to name a ConfigMap, not " + PrintableText(ref->kind) +
                           " " + PrintableText(ref->name)};
}

}  // namespace aquifer::control
