// The references of one route to its backends: whether each may be followed and leads anywhere. The
// first that does not is what the route's status says. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/reconcile/index.h"
#include "control/reconcile/status.h"
#include "mesh/proto/waypoint.pb.h"

namespace aquifer::control {

// Routes of Gateways need a ReferenceGrant for backends of other namespaces; routes of services do
// not.
enum class Grants : std::uint8_t { kRequired, kNotRequired };
enum class Transport : std::uint8_t { kTcp, kUdp };

class BackendRefs {
 public:
  // All outlive it.
  BackendRefs(std::string_view route_kind, const std::string& route_namespace,
              const MeshIndex& index, Grants grants)
      : route_kind_(route_kind),
        route_namespace_(route_namespace),
        index_(index),
        grants_(grants) {}

  // The Service that is meant, or null, and then `invalid` says why.
  const Service* Resolve(const ObjectRef& object, Transport transport, std::string& invalid);
  void Write(const Service& service, std::uint16_t port, mesh::v1::ServiceRef& out) const;
  // Of what was resolved so far.
  Condition ResolvedRefs() const;

 private:
  struct Problem {
    std::string reason;
    std::string message;
  };
  std::optional<Problem> Judge(const ObjectRef& object, Transport transport) const;
  bool Granted(const std::string& target_namespace, const std::string& service) const;
  const std::string& NamespaceOf(const ObjectRef& object) const {
    return object.namespace_name.empty() ? route_namespace_ : object.namespace_name;
  }

  const std::string_view route_kind_;
  const std::string& route_namespace_;
  const MeshIndex& index_;
  const Grants grants_;
  std::optional<Problem> first_problem_;
};

}  // namespace aquifer::control
