#include "waypoint/route_index.h"

#include <algorithm>
#include <map>
#include <set>

#include "waypoint/field_check.h"
#include "waypoint/host_map.h"

namespace aquifer::waypoint {
namespace {

std::string ServiceKey(const ServiceRef& service, std::uint16_t port) {
  return service.ns + "/" + service.hostname + ":" + std::to_string(port);
}

using RoutesByHost = std::map<std::string, std::vector<RoutePtr>>;

// A name may be written twice in a route; its rules still count once.
void AddOnce(std::vector<RoutePtr>& routes, const RoutePtr& route) {
  if (routes.empty() || routes.back() != route) routes.push_back(route);
}

bool IsProducer(const HttpRoute& route, const ServiceRef& service, const Gateway& gateway) {
  return route.name.ns == service.ns || route.name.ns == gateway.name.ns;
}

}  // namespace

HostTable::HostTable(const std::vector<RoutePtr>& routes) {
  RoutesByHost exact;
  RoutesByHost wildcard;
  std::vector<RoutePtr> any;
  for (const RoutePtr& route : routes) {
    if (route->hostnames.empty()) any.push_back(route);
    const std::set<std::string> names(route->hostnames.begin(), route->hostnames.end());
    for (const std::string& name : names) {
      if (name.starts_with("*.")) {
        wildcard[name.substr(1)].push_back(route);
      } else {
        exact[name].push_back(route);
      }
    }
  }
  for (const auto& [name, of_name] : exact) exact_.emplace(name, RouteTable(of_name));
  for (const auto& [name, of_name] : wildcard) wildcard_.emplace(name, RouteTable(of_name));
  any_ = RouteTable(any);
}

Matched HostTable::Find(const RequestView& request, std::string_view host) const {
  Matched found;
  const auto exact = exact_.find(host);
  if (exact != exact_.end()) found = exact->second.Find(request);
  if (found.rule != nullptr) return found;
  const bool wildcard = VisitWildcards(wildcard_, host, [&](const RouteTable& table) {
    found = table.Find(request);
    return found.rule != nullptr;
  });
  return wildcard ? found : any_.Find(request);
}

RouteIndex::RouteIndex(const Gateway& gateway, const std::vector<RoutePtr>& routes) {
  AddServices(gateway, routes);
  AddListeners(gateway, routes);
}

void RouteIndex::AddServices(const Gateway& gateway, const std::vector<RoutePtr>& routes) {
  struct Parts {
    std::vector<RoutePtr> producer;
    std::map<std::string, std::vector<RoutePtr>> consumer;
  };
  const auto add = [&](Parts& parts, const RoutePtr& route, const ServiceRef& parent) {
    AddOnce(IsProducer(*route, parent, gateway) ? parts.producer : parts.consumer[route->name.ns],
            route);
  };
  // A port with routes of its own also has those for all ports; the key with port 0 stands for the
  // ports that nobody names.
  std::map<std::string, std::map<std::uint16_t, Parts>> services;
  const auto name = [](const ServiceRef& service) { return service.ns + "/" + service.hostname; };
  for (const RoutePtr& route : routes) {
    for (const ServiceRef& parent : route->service_parents) services[name(parent)][parent.port];
  }
  for (const RoutePtr& route : routes) {
    for (const ServiceRef& parent : route->service_parents) {
      std::map<std::uint16_t, Parts>& ports = services[name(parent)];
      if (parent.port != 0) {
        add(ports[parent.port], route, parent);
        continue;
      }
      for (auto& [port, parts] : ports) add(parts, route, parent);
    }
  }
  for (const auto& [service, ports] : services) {
    for (const auto& [port, parts] : ports) {
      ServiceRoutes& built = services_[service + ":" + std::to_string(port)];
      built.producer = RouteTable(parts.producer);
      for (const auto& [ns, of_ns] : parts.consumer) built.consumer.emplace(ns, RouteTable(of_ns));
    }
  }
}

void RouteIndex::AddListeners(const Gateway& gateway, const std::vector<RoutePtr>& routes) {
  for (const Listener& listener : gateway.listeners) {
    if (listener.protocol != ListenerProtocol::kHttp) continue;
    std::vector<RoutePtr> attached;
    for (const RoutePtr& route : routes) {
      for (const ListenerRef& parent : route->listener_parents) {
        const bool ours = parent.gateway == gateway.name && parent.listener == listener.name;
        if (ours) AddOnce(attached, route);
      }
    }
    ListenerRoutes& of_port = listeners_[listener.port];
    if (listener.hostname.empty()) {
      of_port.has_any = true;
      of_port.any = HostTable(attached);
    } else if (listener.hostname.starts_with("*.")) {
      of_port.wildcard.insert_or_assign(listener.hostname.substr(1), HostTable(attached));
    } else {
      of_port.exact.insert_or_assign(listener.hostname, HostTable(attached));
    }
  }
}

const RouteTable* RouteIndex::ForService(const ServiceRef& service,
                                         std::string_view client_namespace) const {
  auto found = services_.find(ServiceKey(service, service.port));
  if (found == services_.end()) found = services_.find(ServiceKey(service, 0));
  if (found == services_.end()) return nullptr;
  const ServiceRoutes& routes = found->second;
  const auto consumer = routes.consumer.find(client_namespace);
  if (consumer != routes.consumer.end()) return &consumer->second;
  return routes.producer.empty() ? nullptr : &routes.producer;
}

Matched RouteIndex::ForListener(std::uint16_t port, const RequestView& request) const {
  const auto of_port = listeners_.find(port);
  if (of_port == listeners_.end()) return {};
  const std::string host = LowerCase(HostOf(request.authority));
  const auto exact = of_port->second.exact.find(host);
  if (exact != of_port->second.exact.end()) return exact->second.Find(request, host);
  Matched found;
  const bool wildcard =
      VisitWildcards(of_port->second.wildcard, host, [&](const HostTable& listener) {
        found = listener.Find(request, host);
        return true;  // the most specific listener owns the host, whether or not it has a route
      });
  return wildcard || !of_port->second.has_any ? found : of_port->second.any.Find(request, host);
}

}  // namespace aquifer::waypoint
