// One service of the mesh, as the workload API describes it (istio.workload.Service), without its
// endpoints: those are derived from the workloads that name it (mesh/endpoints.h). Plain values
// that never change once they are in a snapshot. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "certs/identity.h"
#include "mesh/names.h"
#include "mesh/workload.h"

namespace aquifer::mesh {

enum class LoadBalancerMode : std::uint8_t {
  kStandard,     // by capacity alone
  kStrict,       // only endpoints that match every preference
  kFailover,     // those that match most leading preferences
  kPassthrough,  // the address that the client chose
};
enum class RoutingPreference : std::uint8_t { kRegion, kZone, kSubzone, kNode, kCluster, kNetwork };
enum class HealthPolicy : std::uint8_t { kOnlyHealthy, kAllowAll };
enum class IpFamilies : std::uint8_t { kAutomatic, kIpv4, kIpv6, kDual };
enum class Visibility : std::uint8_t { kPublic, kNamespace };

struct LoadBalancer {
  std::vector<RoutingPreference> preferences;
  LoadBalancerMode mode = LoadBalancerMode::kStandard;
  HealthPolicy health_policy = HealthPolicy::kOnlyHealthy;

  friend bool operator==(const LoadBalancer&, const LoadBalancer&) = default;
};

struct WeightedWaypoint {
  GatewayAddress destination;
  std::uint32_t weight = 0;

  friend bool operator==(const WeightedWaypoint&, const WeightedWaypoint&) = default;
};

struct Service {
  Text name;
  Text ns;
  Text hostname;
  std::vector<NetworkAddress> vips;
  std::vector<NetworkCidr> cidr_vips;
  PortList ports;
  std::vector<std::string> subject_alt_names;  // as they were sent
  std::vector<certs::Identity> identities;     // those of them that are SPIFFE identities
  Rare<GatewayAddress> waypoint;
  std::vector<WeightedWaypoint> weighted_waypoints;
  std::optional<LoadBalancer> load_balancer;
  IpFamilies ip_families = IpFamilies::kAutomatic;
  bool canonical = false;
  Visibility visibility = Visibility::kPublic;

  NamespacedHostname key() const { return {ns, hostname}; }
  bool VisibleTo(std::string_view client_ns) const {
    return visibility == Visibility::kPublic || ns == client_ns;
  }
  LoadBalancerMode mode() const {
    return load_balancer ? load_balancer->mode : LoadBalancerMode::kStandard;
  }
  bool Takes(Health health) const {
    return health == Health::kHealthy ||
           (load_balancer && load_balancer->health_policy == HealthPolicy::kAllowAll);
  }
  // Whether endpoints of this family may be used.
  bool Takes(const Ip& ip) const {
    if (ip_families == IpFamilies::kIpv4) return ip.is_v4();
    if (ip_families == IpFamilies::kIpv6) return ip.is_v6();
    return true;
  }
  bool has_waypoint() const { return waypoint.has_value() || !weighted_waypoints.empty(); }

  friend bool operator==(const Service&, const Service&) = default;
};

using ServiceRef = std::shared_ptr<const Service>;

}  // namespace aquifer::mesh
