#include "control/reconcile/routes.h"

#include <utility>
#include <vector>

#include "control/reconcile/route_backends.h"

namespace aquifer::control {
namespace {

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
    const RouteToAttach route{"HTTPRoute", route_.meta.namespace_name, route_.hostnames};
    ListenersFound found = FindListeners(route, parent, gateway, index_);
    if (!found.accepted.status) return std::move(found.accepted);
    if (auto cannot = CannotRun()) return *std::move(cannot);
    for (const BoundListener* listener : found.listeners) AddListener(gateway, *listener);
    return std::move(found.accepted);
  }

  // A route counts at a listener that is itself invalid, but nothing serves it there.
  void AddListener(const BoundGateway& gateway, const BoundListener& listener) {
    if (!result_.listeners.insert(PlaceOf(gateway, listener)).second || !listener.usable) return;
    WriteListener(gateway, listener, *message_.add_parents()->mutable_listener());
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
    if (IsConsumer(space, waypoint)) {
      if (auto cannot = SendsElsewhere(*service)) return *std::move(cannot);
    }
    for (const std::uint16_t port : ports) AddService(*service, port);
    if (waypoint == nullptr)
      return {"Accepted", true, "Accepted", "the Service has no waypoint that would apply it"};
    result_.gateways.insert(waypoint->namespace_name() + "/" + waypoint->name());
    return {"Accepted", true, "Accepted", ForWhom(space, *waypoint)};
  }

  // GAMMA: a route from a third namespace is a consumer's, which its waypoint applies to requests
  // whose client proved to be of that namespace.
  bool IsConsumer(std::string_view space, const BoundGateway* waypoint) const {
    const std::string& own = route_.meta.namespace_name;
    return own != space && (waypoint == nullptr || own != waypoint->namespace_name());
  }

  std::string ForWhom(std::string_view space, const BoundGateway& waypoint) const {
    if (!IsConsumer(space, &waypoint)) return "";
    return "for clients of namespace " + route_.meta.namespace_name;
  }

  // The waypoint judges a request by the policies of the Service that it came for, and sends it on
  // as itself. Who merely consumes that Service must not choose another one, of anybody, for that.
  std::optional<Condition> SendsElsewhere(const Service& parent) const {
    const std::string& own = route_.meta.namespace_name;
    const auto elsewhere = [&](const ObjectRef& to) {
      const std::string& space = to.namespace_name.empty() ? own : to.namespace_name;
      return space != own && (space != parent.meta.namespace_name || to.name != parent.meta.name);
    };
    const auto mirrored = [&](const HttpFilter& filter) {
      const auto* mirror = std::get_if<RequestMirror>(&filter);
      return mirror != nullptr && elsewhere(mirror->backend);
    };
    const auto sent = [&](const HttpBackendRef& backend) {
      return elsewhere(backend.object) ||
             std::any_of(backend.filters.begin(), backend.filters.end(), mirrored);
    };
    const bool any = std::any_of(route_.rules.begin(), route_.rules.end(), [&](const auto& rule) {
      return std::any_of(rule.backends.begin(), rule.backends.end(), sent) ||
             std::any_of(rule.filters.begin(), rule.filters.end(), mirrored);
    });
    if (!any) return std::nullopt;
    return Rejected("UnsupportedValue",
                    "a route for clients of its own namespace sends to Services there, or to the "
                    "one that it is for");
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

}  // namespace aquifer::control
