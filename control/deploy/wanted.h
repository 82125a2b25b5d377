// The kinds of objects that are deployed, where the API server has them, and one such object as it
// is wanted. Values; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "control/kube/values.h"
#include "control/objects.h"

namespace aquifer::control {

enum class DeployedKind : std::uint8_t {
  kServiceAccount,
  kDeployment,
  kService,
  kHorizontalPodAutoscaler,
  kPodDisruptionBudget,
  kConfigMap,
};

struct DeployedRow {
  DeployedKind kind;
  std::string_view word;
  std::string_view api_version;
  std::string_view plural;
  std::string_view overlay;  // its key in a ConfigMap of parameters; empty: none
};

// All of them, in the order in which they are applied.
std::span<const DeployedRow> DeployedRows();
const DeployedRow& RowOf(DeployedKind kind);

struct DeployedKey {
  DeployedKind kind = DeployedKind::kDeployment;
  std::string namespace_name;
  std::string name;

  // "Deployment edge/gw-istio".
  std::string ToString() const;
  // "/apis/apps/v1/namespaces/edge/deployments/gw-istio".
  std::string Path() const;
  friend auto operator<=>(const DeployedKey&, const DeployedKey&) = default;
};

struct WantedObject {
  DeployedKey key;
  Json body;
  // What an object that is there already must carry to be ours; `body` carries it too.
  Labels marks;
};

// Sets apiVersion, kind, name, namespace and `marks` of the body, and a hash of the whole.
void Finish(WantedObject& wanted);

// The value of a label or annotation of any object, or "".
std::string_view MetadataText(const Json& object, std::string_view map, std::string_view key);
bool HasMarks(const Json& object, const Labels& marks);

}  // namespace aquifer::control
