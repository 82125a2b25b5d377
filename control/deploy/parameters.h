// What an operator changes of a deployment: the ConfigMap that infrastructure.parametersRef of a
// Gateway or parametersRef of its GatewayClass names. Each key of its data is a strategic merge
// patch, in YAML, on the object of that kind. Who may write the ConfigMap may not move the object,
// take it from its Gateway, or change whom it selects. Pure; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "control/deploy/names.h"
#include "control/deploy/wanted.h"

namespace aquifer::control {

struct Overlays {
  std::map<DeployedKind, Json> patches;
};

// Of a ConfigMap as the API server has it. The refusal's field is a path in it.
Decoded<Overlays> ReadOverlays(const Json& config_map);

// A reference to such a ConfigMap, with its namespace; none if there is no reference. `owner` is
// the namespace of the object that refers.
struct ParametersPlace {
  std::string namespace_name;
  std::string name;

  friend auto operator<=>(const ParametersPlace&, const ParametersPlace&) = default;
};
Result<std::optional<ParametersPlace>, DeployProblem> PlaceOf(const std::optional<ObjectRef>& ref,
                                                              std::string_view owner);

}  // namespace aquifer::control
