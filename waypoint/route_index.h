// The routes of one proxy, ready to be asked: by service and port for what a waypoint serves, by
// listener and host for what an ingress gateway serves. Immutable once built, any thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <string>
#include <vector>

#include "waypoint/config_model.h"
#include "waypoint/match.h"

namespace aquifer::waypoint {

// The routes of a listener by the routes' own host names. A request that no rule of a more specific
// name takes goes on to the less specific ones (HTTPRoute.spec.hostnames).
class HostTable {
 public:
  HostTable() = default;
  explicit HostTable(const std::vector<RoutePtr>& routes);

  // `host` is lower case and without port.
  Matched Find(const RequestView& request, std::string_view host) const;

 private:
  absl::flat_hash_map<std::string, RouteTable> exact_;
  absl::flat_hash_map<std::string, RouteTable> wildcard_;  // by ".example.com"
  RouteTable any_;
};

class RouteIndex {
 public:
  RouteIndex() = default;
  RouteIndex(const Gateway& gateway, const std::vector<RoutePtr>& routes);

  // The routes for a request to a service's port from a client in `client_namespace` (empty: not
  // known); null when the service has none, and its traffic passes as if there were no routes.
  // Routes of the client's own namespace for a foreign service (consumer routes of GAMMA) take the
  // place of the service's own; routes of the waypoint's namespace count as the service's own.
  const RouteTable* ForService(const ServiceRef& service, std::string_view client_namespace) const;

  // Nothing when no listener of that port takes the host, or none of its routes the request. Only
  // the listener with the most specific host name is asked.
  Matched ForListener(std::uint16_t port, const RequestView& request) const;

 private:
  struct ServiceRoutes {
    RouteTable producer;
    absl::flat_hash_map<std::string, RouteTable> consumer;  // by namespace
  };
  struct ListenerRoutes {
    absl::flat_hash_map<std::string, HostTable> exact;
    absl::flat_hash_map<std::string, HostTable> wildcard;  // by ".example.com"
    bool has_any = false;
    HostTable any;
  };

  void AddServices(const Gateway& gateway, const std::vector<RoutePtr>& routes);
  void AddListeners(const Gateway& gateway, const std::vector<RoutePtr>& routes);

  absl::flat_hash_map<std::string, ServiceRoutes> services_;
  absl::flat_hash_map<std::uint16_t, ListenerRoutes> listeners_;
};

}  // namespace aquifer::waypoint
