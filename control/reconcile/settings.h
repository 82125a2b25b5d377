// What the whole mesh agrees on. Set once at start; part of the input of reconciliation. Plain
// values.
#pragma once

#include <cstdint>
#include <string>

namespace aquifer::control {

struct MeshSettings {
  // An object that asks for a waypoint which is not there is unreachable (kRefuse), or reachable
  // past its layer-7 policies, as in Istio.
  enum class MissingWaypoint : std::uint8_t { kRefuse, kBypass };

  // What says that a pod's traffic goes through its node proxy: the annotation that the node's
  // agent puts on it once that is so, or the labels that ask for it, where nobody writes
  // annotations.
  enum class Capture : std::uint8_t { kLabels, kAnnotation };

  // Whose Istio's class names are (istio, istio-waypoint, istio-remote). kAuto: ours, unless a
  // GatewayClass of a controller of Istio's is there.
  enum class ClassOwner : std::uint8_t { kAuto, kAquifer, kIstio };

  std::string cluster_id = "Kubernetes";
  std::string trust_domain = "cluster.local";
  std::string network;
  std::string cluster_domain = "cluster.local";  // the suffix of service names
  std::string root_namespace = "istio-system";
  MissingWaypoint missing_waypoint = MissingWaypoint::kRefuse;
  Capture capture = Capture::kLabels;
  ClassOwner class_owner = ClassOwner::kAquifer;
};

inline constexpr std::uint16_t kHbonePort = 15008;

}  // namespace aquifer::control
