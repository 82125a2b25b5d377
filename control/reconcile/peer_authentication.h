// PeerAuthentication, for the node proxies: which pods accept only mutual TLS, on which ports.
// Modes become DENY policies against peers without an identity, under the names that Istio gives
// them. The effective mode of a pod is that of the oldest policy that selects it, else of the
// oldest for its namespace, else of the root namespace's; UNSET asks the next one, DISABLE counts
// as PERMISSIVE.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/reconcile/index.h"
#include "mesh/proto/authorization.pb.h"

namespace aquifer::control {

class PeerAuthentications {
 public:
  explicit PeerAuthentications(const MeshIndex& index);

  // The policies that pods may refer to.
  std::vector<istio::security::Authorization> Policies() const;
  // "<namespace>/<name>" of the one that binds this pod.
  std::optional<std::string> PolicyOf(const Pod& pod) const;
  // The object whose mode counts for it; null: none says anything.
  const PeerAuthentication* SourceOf(const Pod& pod) const;

 private:
  using Mode = PeerAuthentication::Mode;

  // The one for the whole namespace or, if that says nothing, for the mesh.
  const PeerAuthentication* ParentOf(std::string_view namespace_name) const;
  bool ParentIsStrict(std::string_view namespace_name) const;
  bool IsStrict(const PeerAuthentication& authentication) const;
  const PeerAuthentication* SelectorPolicyOf(const Pod& pod) const;
  // Ports whose mode is not the one of the rest.
  std::vector<std::uint16_t> Exceptions(const PeerAuthentication& authentication) const;
  istio::security::Authorization PortPolicy(const PeerAuthentication& authentication) const;

  const MeshIndex& index_;
};

}  // namespace aquifer::control
