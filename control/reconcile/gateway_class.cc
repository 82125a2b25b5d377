#include "control/reconcile/gateway_class.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace aquifer::control {
namespace {

struct KnownName {
  std::string_view name;
  GatewayRole role;
  bool of_istio;
};

// Classes that need no GatewayClass object, and the controllers whose classes we serve.
constexpr std::array<KnownName, 5> kClasses = {{
    {"aquifer", GatewayRole::kIngress, false},
    {"aquifer-waypoint", GatewayRole::kWaypoint, false},
    {"istio", GatewayRole::kIngress, true},
    {"istio-remote", GatewayRole::kRemote, true},
    {"istio-waypoint", GatewayRole::kWaypoint, true},
}};
constexpr std::array<KnownName, 5> kControllers = {{
    {"aquifer.dev/gateway-controller", GatewayRole::kIngress, false},
    {"aquifer.dev/waypoint-controller", GatewayRole::kWaypoint, false},
    {"istio.io/gateway-controller", GatewayRole::kIngress, true},
    {"istio.io/mesh-controller", GatewayRole::kWaypoint, true},
    {"istio.io/unmanaged-gateway", GatewayRole::kRemote, true},
}};

// What holds of every class: no part of the suite is claimed that needs TLS to be terminated.
constexpr std::array<std::string_view, 22> kFeatures = {
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteSchemeRedirect",
    "ReferenceGrant",
    "TCPRoute",
    "TLSRoute",
    "UDPRoute",
};
static_assert(std::is_sorted(kFeatures.begin(), kFeatures.end()));

template <class Table>
const KnownName* Find(const Table& table, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const KnownName& known) { return known.name == name; });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace

GatewayClasses::GatewayClasses(const ObjectSet& objects, const MeshSettings& settings)
    : objects_(objects) {
  using Owner = MeshSettings::ClassOwner;
  if (settings.class_owner == Owner::kAuto) {
    istios_are_ours_ = std::none_of(
        objects.gateway_classes.begin(), objects.gateway_classes.end(),
        [](const auto& entry) { return entry.second.controller_name.starts_with("istio.io/"); });
  } else {
    istios_are_ours_ = settings.class_owner == Owner::kAquifer;
  }
}

std::optional<GatewayRole> GatewayClasses::RoleOf(std::string_view class_name) const {
  const auto object = objects_.gateway_classes.find({"", std::string(class_name)});
  if (object != objects_.gateway_classes.end())
    return RoleByController(class_name, object->second.controller_name);
  const KnownName* known = Find(kClasses, class_name);
  if (known == nullptr || (known->of_istio && !istios_are_ours_)) return std::nullopt;
  return known->role;
}

std::optional<GatewayRole> GatewayClasses::RoleByController(std::string_view class_name,
                                                            std::string_view controller) const {
  if (controller == kControllerName) {
    if (const KnownName* known = Find(kClasses, class_name)) return known->role;
    return class_name.ends_with("waypoint") ? GatewayRole::kWaypoint : GatewayRole::kIngress;
  }
  const KnownName* known = Find(kControllers, controller);
  if (known == nullptr || (known->of_istio && !istios_are_ours_)) return std::nullopt;
  return known->role;
}

std::set<std::string> GatewayClasses::Missing() const {
  std::set<std::string> missing;
  for (const KnownName& known : kClasses) {
    const bool there = objects_.gateway_classes.contains({"", std::string(known.name)});
    if (!there && RoleOf(known.name)) missing.emplace(known.name);
  }
  return missing;
}

ObjectStatus GatewayClassStatus(const GatewayClass& object) {
  ObjectStatus status;
  status.generation = object.meta.generation;
  status.uid = object.meta.uid;
  status.conditions = {{"Accepted", true, "Accepted", ""}};
  status.supported_features.assign(kFeatures.begin(), kFeatures.end());
  return status;
}

std::string GatewayClassBody(std::string_view name, std::string_view version) {
  return nlohmann::json{{"apiVersion", std::string(kGatewayGroup) + "/" + std::string(version)},
                        {"kind", "GatewayClass"},
                        {"metadata", {{"name", name}}},
                        {"spec", {{"controllerName", kControllerName}}}}
      .dump();
}

std::span<const std::string_view> SupportedFeatures() { return kFeatures; }

}  // namespace aquifer::control
