// What has to be sent so that an object of a cluster says of itself what we say of it, and nothing
// if it does. What others have written there stays as it is: where the definition of a kind merges
// lists by their keys, by server-side apply; where it takes lists whole (parents of a route,
// conditions of a policy or an entry), by the list with the others' items in it, which only holds
// for the object as it was read. From values; pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/kube/values.h"
#include "control/reconcile/status.h"

namespace aquifer::control {

struct StatusPatch {
  bool apply = false;  // server-side apply; else a merge patch
  std::string body;

  std::string_view content_type() const {
    return apply ? "application/apply-patch+yaml" : "application/merge-patch+json";
  }
};

struct PatchContext {
  std::string api_version;    // of the object: "v1", "gateway.networking.k8s.io/v1"
  std::string now;            // RFC 3339
  bool with_features = true;  // the definition of GatewayClass has supportedFeatures
};

// Whether we write statuses of that kind.
bool WritesStatusOf(Kind kind);

// `present` is the object as the API server has it. Nothing as well if it is not what `wanted` was
// said of: another object of the same name, or a newer form of it. Refused if it is no object.
Decoded<std::optional<StatusPatch>> PatchFor(const ObjectKey& key, const ObjectStatus& wanted,
                                             const Json& present, const PatchContext& context);

}  // namespace aquifer::control
