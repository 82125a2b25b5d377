// Which listeners of a Gateway take a route that names it as a parent, whichever its kind (Gateway
// API, section on route attachment). Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/reconcile/gateways.h"
#include "mesh/proto/waypoint.pb.h"

namespace aquifer::control {

// Namespace and name of the Gateway, name of the listener.
using ListenerPlace = std::pair<std::pair<std::string, std::string>, std::string>;

// What has become of a route.
struct Attachment {
  ObjectStatus status;                // one entry a parent that is ours
  std::set<std::string> gateways;     // "<namespace>/<name>": whose proxies need it
  std::set<ListenerPlace> listeners;  // that it is attached to
};

// What of a route counts here. Outlived by what it points to.
struct RouteToAttach {
  std::string_view kind;
  const std::string& namespace_name;
  const std::vector<std::string>& hostnames;
};

struct ListenersFound {
  Condition accepted;
  std::vector<const BoundListener*> listeners;  // none unless accepted
};
ListenersFound FindListeners(const RouteToAttach& route, const ParentRef& parent,
                             const BoundGateway& gateway, const MeshIndex& index);

ListenerPlace PlaceOf(const BoundGateway& gateway, const BoundListener& listener);
void WriteListener(const BoundGateway& gateway, const BoundListener& listener,
                   mesh::v1::GatewayListenerRef& out);

// "Gateway edge/gw#http:80".
std::string ParentName(const ParentRef& parent, std::string_view namespace_name);
Condition Rejected(std::string reason, std::string message);

// Whether two host names, each perhaps a wildcard or empty for any, have a name in common.
bool HostnamesIntersect(std::string_view a, std::string_view b);

}  // namespace aquifer::control
