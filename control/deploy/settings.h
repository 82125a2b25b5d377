// What the deployments of Gateways are made with, and the names by which they are known again. Set
// once at start. Plain values.
#pragma once

#include <string>
#include <string_view>

namespace aquifer::control {

struct DeploySettings {
  std::string image;            // of the pods; empty: nothing is deployed
  std::string root_config_map;  // written into every namespace; empty: none is
  std::string control_address = "aquifer-control.aquifer-system.svc:15012";
  std::string token_audience = "istio-ca";
};

// What pods mount where we write none ourselves.
inline constexpr std::string_view kDefaultRootConfigMap = "istio-ca-root-cert";
inline constexpr std::string_view kRootKey = "root-cert.pem";

// Labels (Gateway API, GEP-1762, and Istio's). What carries kManagedLabel with kManaged is ours to
// change; nothing else is.
inline constexpr std::string_view kManagedLabel = "gateway.istio.io/managed";
inline constexpr std::string_view kManaged = "aquifer.io-controller";
inline constexpr std::string_view kGatewayNameLabel = "gateway.networking.k8s.io/gateway-name";
inline constexpr std::string_view kGatewayClassLabel =
    "gateway.networking.k8s.io/gateway-class-name";
// Of the ConfigMaps with the root.
inline constexpr std::string_view kManagedByLabel = "app.kubernetes.io/managed-by";
inline constexpr std::string_view kManagedBy = "aquifer-control";

// Annotations of a Gateway that are read here and not handed on.
inline constexpr std::string_view kNameOverride = "gateway.istio.io/name-override";
inline constexpr std::string_view kAccountOverride = "gateway.istio.io/service-account";
inline constexpr std::string_view kServiceType = "networking.istio.io/service-type";
inline constexpr std::string_view kForServiceAccount = "istio.io/for-service-account";

// What was applied last, as a hash: a field that is no longer wanted is seen by it.
inline constexpr std::string_view kAppliedAnnotation = "aquifer.io/applied";

}  // namespace aquifer::control
