#include "control/reconcile/routes.h"

#include <algorithm>
#include <vector>

#include "control/names.h"
#include "control/reconcile/route_backends.h"

namespace aquifer::control {
namespace {

std::string ParentName(const ParentRef& parent, std::string_view namespace_name) {
  std::string name = parent.kind + " " + std::string(namespace_name) + "/" + parent.name;
  if (!parent.section_name.empty()) name += "#" + parent.section_name;
  if (parent.port != 0) name += ":" + std::to_string(parent.port);
  return name;
}

Condition Rejected(std::string reason, std::string message) {
  return {"Accepted", false, std::move(reason), std::move(message)};
}

bool AllowsHttpRoutes(const Listener& listener) {
  if (listener.protocol != "HTTP" && listener.protocol != "HTTPS") return false;
  if (listener.kinds.empty()) return true;
  return std::any_of(listener.kinds.begin(), listener.kinds.end(),
                     [](const Listener::RouteKind& kind) {
                       return kind.group == kGatewayGroup && kind.kind == "HTTPRoute";
                     });
}

bool FitsHostnames(const HttpRoute& route, const Listener& listener) {
  if (route.hostnames.empty()) return true;
  return std::any_of(
      route.hostnames.begin(), route.hostnames.end(),
      [&](const std::string& hostname) { return HostnamesIntersect(hostname, listener.hostname); });
}

class Attacher {
 public:
  Attacher(const HttpRoute& route, const MeshIndex& index, const GatewayMap& gateways,
           const ServiceWaypoints& waypoints)
      : route_(route), index_(index), gateways_(gateways), waypoints_(waypoints) {}

  AttachedRoute Run() {
    result_.status.generation = route_.meta.generation;
    result_.status.uid = route_.meta.uid;
    message_.set_namespace_(route_.meta.namespace_name);
    message_.set_name(route_.meta.name);
    message_.set_creation_seconds(route_.meta.creation_seconds);
    for (const std::string& hostname : route_.hostnames) message_.add_hostnames(hostname);
    for (size_t i = 0; i < route_.parents.size(); ++i) Attach(route_.parents[i], i);
    const Grants grants = of_gateway_ ? Grants::kRequired : Grants::kNotRequired;
    const Condition resolved = AddRules(route_, index_, grants, message_);
    for (ParentStatus& parent : result_.status.parents) parent.conditions.push_back(resolved);
    if (message_.parents_size() > 0) result_.message = std::move(message_);
    return std::move(result_);
  }

 private:
  void Attach(const ParentRef& parent, size_t place) {
    const std::string& space =
        parent.namespace_name.empty() ? route_.meta.namespace_name : parent.namespace_name;
    std::optional<Condition> accepted;
    if (parent.group == kGatewayGroup && parent.kind == "Gateway") {
      const BoundGateway* gateway = FindGateway(gateways_, space, parent.name);
      // A Gateway that is not ours, or not there, is for somebody else to judge.
      if (gateway != nullptr) accepted = AttachToGateway(parent, *gateway);
    } else if (parent.group.empty() && parent.kind == "Service") {
      accepted = AttachToService(parent, space);
    } else if (parent.kind == "Mesh") {
      accepted =
          Rejected("NoMatchingParent", "parents of kind Mesh have gone; name the Service itself");
    }
    if (accepted)
      result_.status.parents.push_back({ParentName(parent, space), {*std::move(accepted)}, place});
  }

  std::optional<Condition> CannotRun() const {
    if (route_.unsupported.empty()) return std::nullopt;
    return Rejected("UnsupportedValue", route_.unsupported[0]);
  }

  Condition AttachToGateway(const ParentRef& parent, const BoundGateway& gateway) {
    of_gateway_ = true;
    std::vector<const BoundListener*> candidates;
    for (const BoundListener& listener : gateway.listeners) {
      const bool section =
          parent.section_name.empty() || parent.section_name == listener.spec->name;
      const bool port = parent.port == 0 || parent.port == listener.spec->port;
      if (section && port) candidates.push_back(&listener);
    }
    if (candidates.empty())
      return Rejected("NoMatchingParent", "no listener has that name and port");
    std::erase_if(candidates, [&](const BoundListener* listener) {
      return !AllowsHttpRoutes(*listener->spec) ||
             !AllowsNamespace(*listener->spec, gateway.namespace_name(), route_.meta.namespace_name,
                              index_);
    });
    if (candidates.empty()) {
      return Rejected("NotAllowedByListeners",
                      "no listener allows HTTPRoutes of namespace " + route_.meta.namespace_name);
    }
    std::erase_if(candidates, [&](const BoundListener* listener) {
      return !FitsHostnames(route_, *listener->spec);
    });
    if (candidates.empty())
      return Rejected("NoMatchingListenerHostname", "no host name fits a listener");
    if (auto cannot = CannotRun()) return *std::move(cannot);
    for (const BoundListener* listener : candidates) AddListener(gateway, *listener);
    return {"Accepted", true, "Accepted", ""};
  }

  // A route counts at a listener that is itself invalid, but nothing serves it there.
  void AddListener(const BoundGateway& gateway, const BoundListener& listener) {
    const std::pair place{std::pair{gateway.namespace_name(), gateway.name()}, listener.spec->name};
    if (!result_.listeners.insert(place).second || !listener.usable) return;
    auto* out = message_.add_parents()->mutable_listener();
    out->set_namespace_(gateway.namespace_name());
    out->set_name(gateway.name());
    out->set_listener(listener.spec->name);
    result_.gateways.insert(gateway.namespace_name() + "/" + gateway.name());
  }

  Condition AttachToService(const ParentRef& parent, const std::string& space) {
    const Service* service = FindObject(index_.objects().services, space, parent.name);
    if (service == nullptr) return Rejected("NoMatchingParent", "the Service does not exist");
    if (service->type == Service::Type::kExternalName || service->cluster_ips.empty()) {
      return Rejected("NoMatchingParent", "the Service has no cluster IP");
    }
    std::vector<std::uint16_t> ports;  // 0: every one
    if (!ReadPorts(parent, *service, ports))
      return Rejected("NoMatchingParent", "the Service has no such port");
    const auto bound = waypoints_.find(service);
    const BoundGateway* waypoint = bound == waypoints_.end() ? nullptr : bound->second;
    if (auto cannot = CannotRun()) return *std::move(cannot);
    for (const std::uint16_t port : ports) AddService(*service, port);
    if (waypoint == nullptr)
      return {"Accepted", true, "Accepted", "the Service has no waypoint that would apply it"};
    result_.gateways.insert(waypoint->namespace_name() + "/" + waypoint->name());
    return {"Accepted", true, "Accepted", ForWhom(space, *waypoint)};
  }

  // GAMMA: a route from a third namespace is a consumer's, which its waypoint applies to requests
  // whose client proved to be of that namespace.
  std::string ForWhom(std::string_view space, const BoundGateway& waypoint) const {
    const std::string& own = route_.meta.namespace_name;
    if (own == space || own == waypoint.namespace_name()) return "";
    return "for clients of namespace " + own;
  }

  static bool ReadPorts(const ParentRef& parent, const Service& service,
                        std::vector<std::uint16_t>& ports) {
    if (parent.port == 0 && parent.section_name.empty()) {
      ports.push_back(0);
      return true;
    }
    for (const ServicePort& port : service.ports) {
      const bool number = parent.port == 0 || parent.port == port.port;
      const bool name = parent.section_name.empty() || parent.section_name == port.name;
      if (port.tcp && number && name) ports.push_back(port.port);
    }
    return !ports.empty();
  }

  void AddService(const Service& service, std::uint16_t port) {
    auto* out = message_.add_parents()->mutable_service();
    out->set_namespace_(service.meta.namespace_name);
    out->set_hostname(index_.HostnameOf(service));
    out->set_port(port);
  }

  const HttpRoute& route_;
  const MeshIndex& index_;
  const GatewayMap& gateways_;
  const ServiceWaypoints& waypoints_;
  AttachedRoute result_;
  mesh::v1::HttpRoute message_;
  bool of_gateway_ = false;
};

}  // namespace

AttachedRoute AttachRoute(const HttpRoute& route, const MeshIndex& index,
                          const GatewayMap& gateways, const ServiceWaypoints& waypoints) {
  return Attacher(route, index, gateways, waypoints).Run();
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
