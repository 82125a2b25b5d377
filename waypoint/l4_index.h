// The TCPRoutes, TLSRoutes and UDPRoutes of one gateway, ready to be asked: by port, and for TLS by
// the server name that the client asks for. Of several routes for the same the oldest serves, then
// the first by name. Immutable once built, any thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <memory>
#include <string_view>
#include <vector>

#include "waypoint/config_model.h"
#include "waypoint/host_map.h"

namespace aquifer::waypoint {

using L4RoutePtr = std::shared_ptr<const L4Route>;

class L4Index {
 public:
  L4Index() = default;
  L4Index(const Gateway& gateway, std::vector<L4RoutePtr> routes);

  // Null: no route takes it.
  const L4Route* ForTcp(std::uint16_t port) const { return Find(tcp_, port); }
  const L4Route* ForUdp(std::uint16_t port) const { return Find(udp_, port); }
  // `server_name` is lower case; empty: the client named none. Only the listener with the most
  // specific host name is asked.
  const L4Route* ForTls(std::uint16_t port, std::string_view server_name) const;

 private:
  using ByPort = absl::flat_hash_map<std::uint16_t, L4RoutePtr>;
  using ByName = HostMap<L4RoutePtr>;

  static const L4Route* Find(const ByPort& routes, std::uint16_t port) {
    const auto found = routes.find(port);
    return found == routes.end() ? nullptr : found->second.get();
  }

  ByPort tcp_;
  ByPort udp_;
  absl::flat_hash_map<std::uint16_t, HostMap<ByName>> tls_;  // by the listeners' names
};

}  // namespace aquifer::waypoint
