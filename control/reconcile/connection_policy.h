// AuthorizationPolicy and PeerAuthentication as the node proxies enforce them:
// istio.security.Authorization, which knows identities, addresses and ports and nothing of HTTP.
// What a policy says beyond that is cut in the direction that Istio cuts it, and its status says
// so: an ALLOW loses the whole rule (and so allows less), a DENY loses the part.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/policy_objects.h"
#include "control/reconcile/settings.h"
#include "mesh/proto/authorization.pb.h"

namespace aquifer::control {

struct ConnectionPolicy {
  istio::security::Authorization message;
  std::vector<std::string>
      dropped;  // fields that could not be expressed, as "spec.rules[0].to[0].operation.paths"
  std::vector<size_t> origins;  // of each rule of `message`: which of spec.rules it is, from 0
};

// Empty for a policy that is not for node proxies (one with targets) or that they cannot enforce
// (AUDIT, CUSTOM, dry-run).
std::optional<ConnectionPolicy> ToConnectionPolicy(const AuthorizationPolicy& policy,
                                                   const MeshSettings& settings);

}  // namespace aquifer::control
