// One workload of the mesh, as the workload API describes it (istio.workload.Workload): who it is,
// where it is and how to reach it. Plain values that never change once they are in a snapshot. Any
// thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "certs/identity.h"
#include "core/base/address.h"
#include "mesh/names.h"
#include "mesh/rare.h"
#include "mesh/text.h"

namespace aquifer::mesh {

// What the workload's port speaks to a peer of the mesh.
enum class TunnelProtocol : std::uint8_t { kNone, kHbone };
enum class WorkloadType : std::uint8_t { kDeployment, kCronJob, kPod, kJob };
enum class Health : std::uint8_t { kHealthy, kUnhealthy };
enum class NetworkMode : std::uint8_t { kStandard, kHostNetwork };
enum class AppProtocol : std::uint8_t { kUnknown, kHttp11, kHttp2, kGrpc, kTcp, kTls };

struct Locality {
  Text region;
  Text zone;
  Text subzone;

  friend bool operator==(const Locality&, const Locality&) = default;
};

// Where a waypoint or a network gateway is. By hostname it can follow the caller's address family.
struct GatewayAddress {
  std::variant<NamespacedHostname, NetworkAddress> destination;
  std::uint16_t hbone_mtls_port = 0;

  friend bool operator==(const GatewayAddress&, const GatewayAddress&) = default;
};

// How the application wants to learn whom a connection was for.
struct ApplicationTunnel {
  enum class Protocol : std::uint8_t { kNone, kProxy };

  Protocol protocol = Protocol::kNone;
  std::uint16_t port = 0;  // 0: the port that was asked for

  friend bool operator==(const ApplicationTunnel&, const ApplicationTunnel&) = default;
};

struct Port {
  std::uint16_t service_port = 0;
  std::uint16_t target_port = 0;  // 0 in a service: a named port, mapped by each endpoint
  AppProtocol app_protocol = AppProtocol::kUnknown;

  friend bool operator==(const Port&, const Port&) = default;
};

// Ordered by service_port, which occurs once.
using PortList = std::vector<Port>;

// The entry for `service_port`, or nullptr.
inline const Port* FindPort(const PortList& ports, std::uint16_t service_port) {
  const auto at = std::lower_bound(
      ports.begin(), ports.end(), service_port,
      [](const Port& port, std::uint16_t wanted) { return port.service_port < wanted; });
  return at != ports.end() && at->service_port == service_port ? &*at : nullptr;
}

// That a workload is an endpoint of a service, and on which ports of its own.
struct Membership {
  NamespacedHostname service;
  PortList ports;

  friend bool operator==(const Membership&, const Membership&) = default;
};

struct Workload {
  Text uid;  // the resource name: "<cluster>/<group>/<kind>/<namespace>/<name>"
  Text name;
  Text ns;
  absl::InlinedVector<Ip, 1> addresses;
  Text hostname;  // to be resolved by DNS when there are no addresses
  Text network;
  TunnelProtocol protocol = TunnelProtocol::kNone;
  NetworkMode network_mode = NetworkMode::kStandard;
  Health health = Health::kHealthy;
  WorkloadType type = WorkloadType::kDeployment;
  bool native_tunnel = false;  // serves HBONE itself
  std::uint32_t capacity = 1;  // weight among endpoints; 0: never chosen
  Text trust_domain = "cluster.local";
  Text service_account = "default";
  Rare<GatewayAddress> waypoint;
  Rare<GatewayAddress> network_gateway;
  std::optional<ApplicationTunnel> application_tunnel;
  Text node;
  Text canonical_name;
  Text canonical_revision;
  Text workload_name;
  Text cluster_id = "Kubernetes";
  Locality locality;
  std::vector<Text> authorization_policies;     // "<namespace>/<name>" of those that select it
  absl::InlinedVector<Membership, 1> services;  // ordered by service, each once

  certs::Identity identity() const { return {trust_domain, ns, service_account}; }
  bool HasAddress(const Ip& ip) const {
    return std::find(addresses.begin(), addresses.end(), ip) != addresses.end();
  }

  friend bool operator==(const Workload&, const Workload&) = default;
};

using WorkloadRef = std::shared_ptr<const Workload>;

// Lower case, as labels and dumps have it: "deployment", "cronjob", "pod", "job".
inline std::string_view WorkloadTypeName(WorkloadType type) {
  switch (type) {
    case WorkloadType::kDeployment:
      return "deployment";
    case WorkloadType::kCronJob:
      return "cronjob";
    case WorkloadType::kPod:
      return "pod";
    case WorkloadType::kJob:
      return "job";
  }
  return "deployment";
}

}  // namespace aquifer::mesh
