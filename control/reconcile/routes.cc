#include "control/reconcile/routes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "control/reconcile/route_backends.h"

namespace aquifer::control {
namespace {

class Attacher {
 public:
  Attacher(const HttpRoute& route, const MeshIndex& index, const GatewayMap& gateways,
           const ServiceWaypoints& waypoints, const Entries& entries)
      : route_(route),
        index_(index),
        gateways_(gateways),
        waypoints_(waypoints),
        entries_(entries) {}

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
    } else if (parent.group == kEntryGroup && parent.kind == "ServiceEntry") {
      accepted = AttachToEntry(parent, space);
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

  // What is addressed in the mesh: a Service by its one name, an entry by each of its hosts.
  struct Addressed {
    std::string_view what;  // as its kind is called
    const std::string& namespace_name;
    std::vector<std::string> hosts;
    const BoundGateway* waypoint = nullptr;
    const Service* service = nullptr;  // null: an entry
  };

  Condition AttachToService(const ParentRef& parent, const std::string& space) {
    const Service* service = FindObject(index_.objects().services, space, parent.name);
    if (service == nullptr) return Rejected("NoMatchingParent", "the Service does not exist");
    if (service->type == Service::Type::kExternalName || service->cluster_ips.empty()) {
      return Rejected("NoMatchingParent", "the Service has no cluster IP");
    }
    std::vector<std::uint16_t> ports;
    for (const ServicePort& port : service->ports) {
      if (port.tcp && Names(parent, port.port, port.name)) ports.push_back(port.port);
    }
    const auto bound = waypoints_.find(service);
    const BoundGateway* waypoint = bound == waypoints_.end() ? nullptr : bound->second;
    return AttachTo({"Service", space, {index_.HostnameOf(*service)}, waypoint, service}, parent,
                    std::move(ports));
  }

  Condition AttachToEntry(const ParentRef& parent, const std::string& space) {
    const ServiceEntry* entry = FindObject(index_.objects().service_entries, space, parent.name);
    if (entry == nullptr) return Rejected("NoMatchingParent", "the ServiceEntry does not exist");
    const Entries::Served* served = entries_.Find(*entry);
    if (served == nullptr)
      return Rejected("NoMatchingParent",
                      "the ServiceEntry has no host that others have not taken");
    std::vector<std::uint16_t> ports;
    for (const ServiceEntry::Port& port : entry->ports) {
      if (port.protocol != "udp" && Names(parent, port.number, port.name))
        ports.push_back(port.number);
    }
    return AttachTo({"ServiceEntry", space, served->hosts, served->gateway, nullptr}, parent,
                    std::move(ports));
  }

  static bool NamesPort(const ParentRef& parent) {
    return parent.port != 0 || !parent.section_name.empty();
  }
  static bool Names(const ParentRef& parent, std::uint16_t number, const std::string& name) {
    return (parent.port == 0 || parent.port == number) &&
           (parent.section_name.empty() || parent.section_name == name);
  }

  // `ports`: those that the parent names.
  Condition AttachTo(const Addressed& to, const ParentRef& parent,
                     std::vector<std::uint16_t> ports) {
    const std::string the = "the " + std::string(to.what);
    if (!NamesPort(parent)) ports = {0};  // every one
    if (ports.empty()) return Rejected("NoMatchingParent", the + " has no such port");
    if (auto cannot = CannotRun()) return *std::move(cannot);
    if (IsConsumer(to)) {
      if (auto cannot = LeadsPastPolicies(to)) return *std::move(cannot);
      if (auto cannot = ChangesPort(to, parent, ports)) return *std::move(cannot);
    }
    for (const std::string& host : to.hosts) {
      for (const std::uint16_t port : ports) AddService(to.namespace_name, host, port);
    }
    if (to.waypoint == nullptr)
      return {"Accepted", true, "Accepted", the + " has no waypoint that would apply it"};
    result_.gateways.insert(to.waypoint->namespace_name() + "/" + to.waypoint->name());
    return {"Accepted", true, "Accepted", ForWhom(to)};
  }

  // GAMMA: a route from a third namespace is a consumer's, which its waypoint applies to requests
  // whose client proved to be of that namespace.
  bool IsConsumer(const Addressed& to) const {
    const std::string& own = route_.meta.namespace_name;
    return own != to.namespace_name &&
           (to.waypoint == nullptr || own != to.waypoint->namespace_name());
  }

  std::string ForWhom(const Addressed& to) const {
    if (!IsConsumer(to)) return "";
    return "for clients of namespace " + route_.meta.namespace_name;
  }

  // Calls `filter` with every filter of the route and `object` with all that it sends or mirrors
  // to.
  template <typename OnFilter, typename OnObject>
  void ForEachPart(const OnFilter& filter, const OnObject& object) const {
    const auto take = [&](const std::vector<HttpFilter>& filters) {
      for (const HttpFilter& one : filters) {
        filter(one);
        if (const auto* mirror = std::get_if<RequestMirror>(&one)) object(mirror->backend);
      }
    };
    for (const HttpRule& rule : route_.rules) {
      take(rule.filters);
      for (const HttpBackendRef& backend : rule.backends) {
        object(backend.object);
        take(backend.filters);
      }
    }
  }

  const std::string& SpaceOf(const ObjectRef& to) const {
    return to.namespace_name.empty() ? route_.meta.namespace_name : to.namespace_name;
  }
  bool IsSame(const ObjectRef& to, const Addressed& parent) const {
    return parent.service != nullptr && SpaceOf(to) == parent.namespace_name &&
           to.name == parent.service->meta.name;
  }

  // The waypoint judges a request as it came, by the policies of the Service that it came for, and
  // sends it on as itself. Who merely consumes that Service must not choose another one, of
  // anybody, for that, nor make another request of it.
  std::optional<Condition> LeadsPastPolicies(const Addressed& parent) const {
    bool elsewhere = false;
    bool changed = false;
    const auto look = [&](const HttpFilter& filter) {
      const auto* headers = std::get_if<HeaderModifier>(&filter);
      changed = changed || std::holds_alternative<UrlRewrite>(filter) ||
                (headers != nullptr && !headers->of_response);
    };
    ForEachPart(look, [&](const ObjectRef& to) {
      elsewhere = elsewhere || (SpaceOf(to) != route_.meta.namespace_name && !IsSame(to, parent));
    });
    if (elsewhere) {
      return Rejected("UnsupportedValue",
                      "a route for clients of its own namespace sends to Services there, or to the "
                      "one that it is for");
    }
    if (!changed) return std::nullopt;
    return Rejected("UnsupportedValue",
                    "a route for clients of its own namespace changes no URL and no header of "
                    "requests, by which the policies of the " +
                        std::string(parent.what) + " judge them");
  }

  // Policies know ports, too: what is sent to the Service itself goes to the port that it came for.
  // Narrows `ports` to that one.
  std::optional<Condition> ChangesPort(const Addressed& to, const ParentRef& parent,
                                       std::vector<std::uint16_t>& ports) const {
    std::vector<std::uint16_t> sent;
    ForEachPart([](const HttpFilter&) {},
                [&](const ObjectRef& object) {
                  if (IsSame(object, to)) sent.push_back(object.port);
                });
    if (sent.empty()) return std::nullopt;
    if (!NamesPort(parent)) ports = {sent.front()};
    const bool one = ports.size() == 1 && std::all_of(sent.begin(), sent.end(), [&](auto port) {
                       return port == ports.front();
                     });
    if (one) return std::nullopt;
    return Rejected("UnsupportedValue",
                    "a route for clients of its own namespace sends to the Service that it is for "
                    "at the port that requests came for");
  }

  void AddService(const std::string& namespace_name, const std::string& hostname,
                  std::uint16_t port) {
    auto* out = message_.add_parents()->mutable_service();
    out->set_namespace_(namespace_name);
    out->set_hostname(hostname);
    out->set_port(port);
  }

  const HttpRoute& route_;
  const MeshIndex& index_;
  const GatewayMap& gateways_;
  const ServiceWaypoints& waypoints_;
  const Entries& entries_;
  AttachedRoute result_;
  mesh::v1::HttpRoute message_;
  bool of_gateway_ = false;
};

}  // namespace

AttachedRoute AttachRoute(const HttpRoute& route, const MeshIndex& index,
                          const GatewayMap& gateways, const ServiceWaypoints& waypoints,
                          const Entries& entries) {
  return Attacher(route, index, gateways, waypoints, entries).Run();
}

}  // namespace aquifer::control
