// networking.x-k8s.io/v1alpha1, the Gateway API before it moved to its own group, as
// gateway.networking.k8s.io/v1. A condition that has no successor is a refusal: without it a route
// would take more requests than its author wrote. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "cli/convert/edit.h"
#include "core/base/result.h"

namespace aquifer::cli {

inline constexpr std::string_view kAlpha1Group = "networking.x-k8s.io";
inline constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";

// What came of one object; the last says what a reader has to know beside.
struct Rewritten {
  std::vector<OrderedJson> objects;
  std::vector<std::string> remarks;
};

// `object` is of the kind that the name says; its apiVersion is changed by the caller.
Decoded<Rewritten> RewriteGatewayClass(OrderedJson object);
Decoded<Rewritten> RewriteGateway(OrderedJson object);
// HTTPRoute, TLSRoute, TCPRoute or UDPRoute, with its parentRefs.
Decoded<Rewritten> RewriteRoute(OrderedJson object, OrderedJson parents);

}  // namespace aquifer::cli
