// What the tests of the control plane share: a mesh from YAML text, and its resources by name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/manifest.h"
#include "control/object_set.h"
#include "control/reconcile/reconcile.h"
#include "mesh/proto/authorization.pb.h"
#include "mesh/proto/waypoint.pb.h"
#include "mesh/proto/workload.pb.h"

namespace aquifer::control {

// Every document must be good.
ObjectSet ObjectsOf(std::string_view yaml);
// The one object of the text.
template <class T>
T ObjectOf(std::string_view yaml);

// The refusal of a text that has exactly one bad document, as the operator reads it; "" if it has
// none.
std::string RefusalOf(std::string_view yaml);

class Mesh {
 public:
  explicit Mesh(std::string_view yaml, MeshSettings settings = {});

  std::optional<istio::workload::Workload> WorkloadOf(
      const std::string& pod) const;  // "default/client"
  std::optional<istio::workload::Service> ServiceOf(const std::string& service) const;
  std::optional<istio::security::Authorization> PolicyOf(const std::string& name) const;
  std::optional<mesh::v1::Gateway> GatewayOf(const std::string& name) const;
  std::optional<mesh::v1::HttpRoute> RouteOf(const std::string& name) const;
  std::optional<mesh::v1::AuthorizationPolicy> RequestPolicyOf(const std::string& name) const;
  const Resource* ResourceOf(ResourceType type, const std::string& name) const;

  // "True Accepted" of a condition of the object; "" if there is none.
  std::string ConditionOf(Kind kind, const std::string& name, std::string_view type) const;
  std::string ParentConditionOf(const std::string& route, size_t parent,
                                std::string_view type) const;
  const ObjectStatus* StatusOf(Kind kind, const std::string& name) const;

  const Reconciled& result() const { return result_; }

 private:
  ObjectSet objects_;
  MeshSettings settings_;
  Reconciled result_;
};

template <class T>
T ObjectOf(std::string_view yaml) {
  Manifest manifest = ReadManifest("test.yaml", yaml);
  return std::get<T>(manifest.objects.at(0));
}

}  // namespace aquifer::control
