#include "control/reconcile/route_parents.h"

#include <algorithm>

#include "control/names.h"

namespace aquifer::control {
namespace {

bool AllowsKind(const Listener& listener, std::string_view kind) {
  if (KindOfRoutes(listener.protocol) != kind) return false;
  if (listener.kinds.empty()) return true;
  return std::any_of(listener.kinds.begin(), listener.kinds.end(),
                     [&](const Listener::RouteKind& allowed) {
                       return allowed.group == kGatewayGroup && allowed.kind == kind;
                     });
}

bool FitsHostnames(const RouteToAttach& route, const Listener& listener) {
  if (route.hostnames.empty()) return true;
  return std::any_of(
      route.hostnames.begin(), route.hostnames.end(),
      [&](const std::string& hostname) { return HostnamesIntersect(hostname, listener.hostname); });
}

}  // namespace

ListenersFound FindListeners(const RouteToAttach& route, const ParentRef& parent,
                             const BoundGateway& gateway, const MeshIndex& index) {
  std::vector<const BoundListener*> candidates;
  for (const BoundListener& listener : gateway.listeners) {
    const bool section = parent.section_name.empty() || parent.section_name == listener.spec->name;
    const bool port = parent.port == 0 || parent.port == listener.spec->port;
    if (section && port) candidates.push_back(&listener);
  }
  if (candidates.empty())
    return {Rejected("NoMatchingParent", "no listener has that name and port"), {}};
  std::erase_if(candidates, [&](const BoundListener* listener) {
    return !AllowsKind(*listener->spec, route.kind) ||
           !AllowsNamespace(*listener->spec, gateway.namespace_name(), route.namespace_name, index);
  });
  if (candidates.empty()) {
    return {Rejected("NotAllowedByListeners", "no listener allows " + std::string(route.kind) +
                                                  "s of namespace " + route.namespace_name),
            {}};
  }
  std::erase_if(candidates, [&](const BoundListener* listener) {
    return !FitsHostnames(route, *listener->spec);
  });
  if (candidates.empty())
    return {Rejected("NoMatchingListenerHostname", "no host name fits a listener"), {}};
  return {{"Accepted", true, "Accepted", ""}, std::move(candidates)};
}

ListenerPlace PlaceOf(const BoundGateway& gateway, const BoundListener& listener) {
  return {{gateway.namespace_name(), gateway.name()}, listener.spec->name};
}

void WriteListener(const BoundGateway& gateway, const BoundListener& listener,
                   mesh::v1::GatewayListenerRef& out) {
  out.set_namespace_(gateway.namespace_name());
  out.set_name(gateway.name());
  out.set_listener(listener.spec->name);
}

std::string ParentName(const ParentRef& parent, std::string_view namespace_name) {
  std::string name = parent.kind + " " + std::string(namespace_name) + "/" + parent.name;
  if (!parent.section_name.empty()) name += "#" + parent.section_name;
  if (parent.port != 0) name += ":" + std::to_string(parent.port);
  return name;
}

Condition Rejected(std::string reason, std::string message) {
  return {"Accepted", false, std::move(reason), std::move(message)};
}

bool HostnamesIntersect(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty() || a == b) return true;
  // "*.a.b" stands for every name that ends in ".a.b", be it a wildcard itself.
  const auto covers = [](std::string_view wildcard, std::string_view name) {
    return IsWildcard(wildcard) && name.size() > wildcard.size() - 1 &&
           name.ends_with(wildcard.substr(1));
  };
  return covers(a, b) || covers(b, a);
}

}  // namespace aquifer::control
