// Which Gateways are ours, what serves them and which of their listeners can be used. Where nothing
// deploys gateways, an operator's own objects are linked to them as a deployer would have made
// them:
//   - its pods carry the label gateway.networking.k8s.io/gateway-name: <gateway> (or the older
//   istio.io/gateway-name), in its namespace;
//   - its Service is the one with that label, else <gateway>-istio-waypoint for a waypoint and
//   <gateway>-istio for an ingress gateway,
//     else one named as the gateway that selects by that label;
//   - a Gateway whose only address is of type Hostname names its Service itself; its pods are those
//   that this Service selects.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "control/reconcile/gateway_class.h"
#include "control/reconcile/index.h"
#include "control/reconcile/status.h"

namespace aquifer::control {

enum class WaypointScope : std::uint8_t { kService, kWorkload, kAll, kNone };

struct BoundListener {
  const Listener* spec = nullptr;
  bool usable = false;
  std::string_view conflict;  // the reason of Conflicted; empty: it is not
  std::string reason;         // of not being usable
  std::string message;
};

struct BoundGateway {
  const Gateway* object = nullptr;
  GatewayRole role = GatewayRole::kIngress;
  WaypointScope scope = WaypointScope::kService;
  std::string for_service_account;  // annotation istio.io/for-service-account
  const Service* service = nullptr;
  std::vector<const Pod*> pods;
  std::string service_account;
  std::vector<BoundListener> listeners;
  std::string unsupported_address;  // why spec.addresses cannot be honoured

  const std::string& namespace_name() const { return object->meta.namespace_name; }
  const std::string& name() const { return object->meta.name; }
  bool HasReadyPod() const;
};

using GatewayMap = std::map<std::pair<std::string, std::string>, BoundGateway>;

// Every Gateway of a class that is ours, but for remote ones, by namespace and name.
GatewayMap BindGateways(const MeshIndex& index);

// Null for a Gateway that is not ours or not there.
const BoundGateway* FindGateway(const GatewayMap& gateways, std::string_view namespace_name,
                                std::string_view name);

// "HTTPRoute" for "HTTP"; empty if no routes go to listeners of that protocol.
std::string_view KindOfRoutes(std::string_view protocol);

// Whether allowedRoutes.namespaces lets that namespace in.
bool AllowsNamespace(const Listener& listener, std::string_view gateway_namespace,
                     std::string_view other, const MeshIndex& index);

// Where clients reach it: the addresses of its Service, else of its pods. Empty until a pod of it
// is ready.
std::vector<StatusAddress> AddressesOf(const BoundGateway& gateway, const MeshIndex& index);

// Conditions, listeners (without their route counts) and addresses.
ObjectStatus GatewayStatus(const BoundGateway& gateway, const MeshIndex& index);
// Of one that is somewhere else.
ObjectStatus RemoteGatewayStatus(const Gateway& gateway);

}  // namespace aquifer::control
