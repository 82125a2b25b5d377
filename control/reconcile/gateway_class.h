// Which GatewayClasses are ours, what their Gateways are, and which of them we make where they are
// missing. Istio's class names are ours only where no Istio is: a class of one of its controllers
// says that there is one, unless a setting knows better. Pure.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "control/object_set.h"
#include "control/reconcile/settings.h"
#include "control/reconcile/status.h"

namespace aquifer::control {

// In spec.controllerName of a class, and in the status of a route's parents.
inline constexpr std::string_view kControllerName = "aquifer.io/controller";

// kRemote: a gateway somewhere else, of which only the addresses are known.
enum class GatewayRole : std::uint8_t { kIngress, kWaypoint, kRemote };

class GatewayClasses {
 public:
  // The objects outlive it.
  GatewayClasses(const ObjectSet& objects, const MeshSettings& settings);

  // What the Gateways of that class are; none if the class is not ours.
  std::optional<GatewayRole> RoleOf(std::string_view class_name) const;
  // Those that we serve and that are not there.
  std::set<std::string> Missing() const;

 private:
  std::optional<GatewayRole> RoleByController(std::string_view class_name,
                                              std::string_view controller) const;

  const ObjectSet& objects_;
  bool istios_are_ours_ = true;
};

// Accepted, and what routes of the class can do.
ObjectStatus GatewayClassStatus(const GatewayClass& object);
// The object of one that is missing.
std::string GatewayClassBody(std::string_view name, std::string_view version);

// Names of the Gateway API's features, in their order.
std::span<const std::string_view> SupportedFeatures();

}  // namespace aquifer::control
