// Under which names a Gateway is deployed, and why a deployment cannot be made. An ingress gateway
// is <gateway>-<class>. A waypoint has its Gateway's name, but <gateway>-<class> if it carries the
// annotation istio.io/for-service-account or if the short name is somebody else's: waypoints are
// often called as the application behind them. A name stays while objects of ours have it. Pure;
// any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "control/deploy/wanted.h"
#include "control/reconcile/gateways.h"

namespace aquifer::control {

// Why a Gateway is not deployed as it asks: of a condition.
struct DeployProblem {
  std::string reason;
  std::string message;

  friend bool operator==(const DeployProblem&, const DeployProblem&) = default;
};

inline constexpr std::string_view kNameTaken = "NameTaken";
inline constexpr std::string_view kUnsupportedName = "UnsupportedName";
inline constexpr std::string_view kApplyFailed = "ApplyFailed";

struct DeploymentNames {
  std::string name;             // of all objects
  std::string service_account;  // that the pods run as
  bool own_account = true;      // which is ours to make

  friend bool operator==(const DeploymentNames&, const DeploymentNames&) = default;
};

// What is known of the objects in the Gateway's namespace.
struct NameWitness {
  // Somebody else has an object of that kind and name.
  std::function<bool(DeployedKind kind, const std::string& name)> taken;
  // This Gateway's deployment has that name.
  std::function<bool(const std::string& name)> ours;
};

Result<DeploymentNames, DeployProblem> NamesOf(const Gateway& gateway, GatewayRole role,
                                               const NameWitness& witness);

// Deployed by hand: spec.addresses names a Service or asks for more than one address.
bool IsManual(const Gateway& gateway);

}  // namespace aquifer::control
