// AuthorizationPolicies as waypoints and ingress gateways enforce them:
// aquifer.mesh.v1.AuthorizationPolicy, strings unchanged, with the targets spelt as the proxies
// know them. A waypoint gets only policies that target it, its class or a service it serves; an
// ingress gateway also those that reach its pods by selector or by namespace, sent with a target to
// that Gateway. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/reconcile/entries.h"
#include "control/reconcile/gateways.h"
#include "control/reconcile/routes.h"
#include "mesh/proto/waypoint.pb.h"

namespace aquifer::control {

struct RequestPolicy {
  std::optional<mesh::v1::AuthorizationPolicy> message;  // if it concerns a proxy
  std::set<std::string> gateways;                        // "<namespace>/<name>"
  std::vector<Condition> conditions;  // WaypointAccepted, for a policy with targets
};

RequestPolicy ToRequestPolicy(const AuthorizationPolicy& policy, const MeshIndex& index,
                              const GatewayMap& gateways, const ServiceWaypoints& waypoints,
                              const Entries& entries);

}  // namespace aquifer::control
