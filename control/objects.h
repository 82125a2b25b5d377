// The Kubernetes objects that the mesh is made from, as plain values: only the fields that
// something here reads, named as in their APIs. Whatever brings them (a directory of manifests, an
// API server) fills an ObjectSet; control/reconcile turns one into resources.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/base/address.h"

namespace aquifer::control {

using Labels = std::map<std::string, std::string, std::less<>>;

enum class Kind : std::uint8_t {
  kNamespace,
  kNode,
  kServiceAccount,
  kPod,
  kService,
  kGatewayClass,
  kGateway,
  kHttpRoute,
  kReferenceGrant,
  kAuthorizationPolicy,
  kPeerAuthentication,
  kEndpointSlice,
  kServiceEntry,
  kWorkloadEntry,
};
inline constexpr int kKindCount = static_cast<int>(Kind::kWorkloadEntry) + 1;

// "HTTPRoute", as in a manifest.
std::string_view KindWord(Kind kind);

// One object of a mesh: its kind and where it is. The namespace is empty for kinds that have none.
struct ObjectKey {
  Kind kind = Kind::kNamespace;
  std::string namespace_name;
  std::string name;

  // "HTTPRoute default/http".
  std::string ToString() const;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

struct Meta {
  std::string namespace_name;
  std::string name;
  Labels labels;
  Labels annotations;  // those that Istio or the Gateway API give a meaning
  std::int64_t generation = 0;
  std::int64_t creation_seconds =
      0;                  // since 1970; 0 when nobody wrote it, which makes it the oldest
  bool deleting = false;  // has a deletionTimestamp
  std::string uid;        // empty in manifests

  friend bool operator==(const Meta&, const Meta&) = default;
};

// matchLabels and matchExpressions of one selector; an empty one selects everything.
struct LabelRequirement {
  enum class Operator : std::uint8_t { kIn, kNotIn, kExists, kDoesNotExist };
  std::string key;
  Operator op = Operator::kExists;
  std::vector<std::string> values;
};
struct LabelSelector {
  Labels match_labels;
  std::vector<LabelRequirement> match_expressions;

  bool Selects(const Labels& labels) const;
};

// True if every entry of `wanted` is in `labels`.
bool HasLabels(const Labels& labels, const Labels& wanted);
// The value of `key`, or "".
std::string_view LabelOf(const Labels& labels, std::string_view key);

struct Namespace {
  Meta meta;

  friend bool operator==(const Namespace&, const Namespace&) = default;
};

// A machine; its labels say where it stands (topology.kubernetes.io/region and the like).
struct Node {
  Meta meta;

  friend bool operator==(const Node&, const Node&) = default;
};

struct ServiceAccount {
  Meta meta;

  friend bool operator==(const ServiceAccount&, const ServiceAccount&) = default;
};

struct ContainerPort {
  std::string name;
  std::uint16_t port = 0;
  bool tcp = true;

  friend bool operator==(const ContainerPort&, const ContainerPort&) = default;
};

struct Pod {
  enum class Phase : std::uint8_t { kUnstated, kPending, kRunning, kSucceeded, kFailed, kUnknown };

  Meta meta;
  std::string service_account = "default";
  std::string node_name;
  bool host_network = false;
  std::string controller_kind;  // of the owner reference that controls it
  std::string controller_name;
  std::vector<ContainerPort> ports;  // of containers and of init containers that keep running
  std::vector<Ip> ips;
  Phase phase = Phase::kUnstated;
  std::optional<bool> ready;  // the Ready condition, where somebody keeps one

  friend bool operator==(const Pod&, const Pod&) = default;
};

// The condition of an object that goes through a waypoint.
inline constexpr std::string_view kWaypointBound = "istio.io/WaypointBound";
// That of a Gateway that is deployed here.
inline constexpr std::string_view kDeployed = "aquifer.io/Deployed";

struct ServicePort {
  std::string name;
  std::uint16_t port = 0;
  std::uint16_t target_port = 0;  // 0: the container port named target_name
  std::string target_name;
  bool tcp = true;
  std::string app_protocol;

  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

struct Service {
  enum class Type : std::uint8_t { kClusterIp, kNodePort, kLoadBalancer, kExternalName };

  Meta meta;
  Type type = Type::kClusterIp;
  bool headless = false;
  std::vector<Ip> cluster_ips;
  std::vector<Ip> load_balancer_ips;
  std::vector<std::string> load_balancer_hostnames;
  std::vector<ServicePort> ports;
  Labels selector;  // empty selects nothing
  bool internal_traffic_local = false;
  std::string traffic_distribution;
  bool publish_not_ready_addresses = false;
  bool has_waypoint_status = false;  // somebody has told of its waypoint

  friend bool operator==(const Service&, const Service&) = default;
};

}  // namespace aquifer::control
