#include "control/reconcile/peer_authentication.h"

namespace aquifer::control {
namespace {

namespace pb = istio::security;

constexpr std::string_view kStaticStrict = "istio_converted_static_strict";

bool Older(const PeerAuthentication& a, const PeerAuthentication* b) {
  return b == nullptr || a.meta.creation_seconds < b->meta.creation_seconds;
}

// The oldest of the namespace that has no selector; the map's order breaks ties by name.
const PeerAuthentication* WholeNamespacePolicy(const ObjectSet& objects,
                                               std::string_view namespace_name) {
  const PeerAuthentication* oldest = nullptr;
  const auto& all = objects.peer_authentications;
  for (auto at = all.lower_bound({std::string(namespace_name), ""});
       at != all.end() && at->first.first == namespace_name; ++at) {
    if (at->second.selector.empty() && Older(at->second, oldest)) oldest = &at->second;
  }
  return oldest;
}

void AddNoIdentity(pb::Rule& rule) {
  rule.add_clauses()->add_matches()->add_not_principals()->mutable_presence();
}

pb::Authorization DenyPolicy(std::string namespace_name, std::string name) {
  pb::Authorization policy;
  policy.set_namespace_(std::move(namespace_name));
  policy.set_name(std::move(name));
  policy.set_scope(pb::WORKLOAD_SELECTOR);
  policy.set_action(pb::DENY);
  return policy;
}

std::string PortPolicyName(const PeerAuthentication& authentication) {
  return "converted_peer_authentication_" + authentication.meta.name;
}

}  // namespace

PeerAuthentications::PeerAuthentications(const MeshIndex& index) : index_(index) {}

const PeerAuthentication* PeerAuthentications::ParentOf(std::string_view namespace_name) const {
  for (const std::string_view place :
       {namespace_name, std::string_view(index_.settings().root_namespace)}) {
    const PeerAuthentication* policy = WholeNamespacePolicy(index_.objects(), place);
    if (policy != nullptr && policy->mode != Mode::kUnset) return policy;
  }
  return nullptr;
}

bool PeerAuthentications::ParentIsStrict(std::string_view namespace_name) const {
  const PeerAuthentication* const parent = ParentOf(namespace_name);
  return parent != nullptr && parent->mode == Mode::kStrict;
}

bool PeerAuthentications::IsStrict(const PeerAuthentication& authentication) const {
  if (authentication.mode != Mode::kUnset) return authentication.mode == Mode::kStrict;
  return ParentIsStrict(authentication.meta.namespace_name);
}

const PeerAuthentication* PeerAuthentications::SelectorPolicyOf(const Pod& pod) const {
  // A selector in the root namespace selects nothing in ambient mode, not even pods of that
  // namespace.
  if (pod.meta.namespace_name == index_.settings().root_namespace) return nullptr;
  const PeerAuthentication* oldest = nullptr;
  const auto& all = index_.objects().peer_authentications;
  for (auto at = all.lower_bound({pod.meta.namespace_name, ""});
       at != all.end() && at->first.first == pod.meta.namespace_name; ++at) {
    const PeerAuthentication& candidate = at->second;
    if (candidate.selector.empty() || !HasLabels(pod.meta.labels, candidate.selector)) continue;
    if (Older(candidate, oldest)) oldest = &candidate;
  }
  return oldest;
}

std::vector<std::uint16_t> PeerAuthentications::Exceptions(
    const PeerAuthentication& authentication) const {
  const bool strict = IsStrict(authentication);
  std::vector<std::uint16_t> ports;
  for (const auto& [port, mode] : authentication.ports) {
    if (mode != Mode::kUnset && (mode == Mode::kStrict) != strict) ports.push_back(port);
  }
  return ports;
}

// Under PERMISSIVE: one rule for each strict port. Under STRICT: no identity, and none of the
// relaxed ports.
pb::Authorization PeerAuthentications::PortPolicy(const PeerAuthentication& authentication) const {
  pb::Authorization policy =
      DenyPolicy(authentication.meta.namespace_name, PortPolicyName(authentication));
  const std::vector<std::uint16_t> exceptions = Exceptions(authentication);
  if (IsStrict(authentication)) {
    pb::Rule& rule = *policy.add_rules();
    AddNoIdentity(rule);
    pb::Match& match = *rule.add_clauses()->add_matches();
    for (const std::uint16_t port : exceptions) match.add_not_destination_ports(port);
    return policy;
  }
  for (const std::uint16_t port : exceptions) {
    pb::Rule& rule = *policy.add_rules();
    AddNoIdentity(rule);
    rule.add_clauses()->add_matches()->add_destination_ports(port);
  }
  return policy;
}

std::vector<pb::Authorization> PeerAuthentications::Policies() const {
  std::vector<pb::Authorization> policies;
  if (index_.objects().peer_authentications.empty()) return policies;
  pb::Authorization strict =
      DenyPolicy(index_.settings().root_namespace, std::string(kStaticStrict));
  AddNoIdentity(*strict.add_rules());
  policies.push_back(std::move(strict));
  for (const auto& [key, authentication] : index_.objects().peer_authentications) {
    const bool counts =
        !authentication.selector.empty() && key.first != index_.settings().root_namespace;
    if (counts && !Exceptions(authentication).empty())
      policies.push_back(PortPolicy(authentication));
  }
  return policies;
}

std::optional<std::string> PeerAuthentications::PolicyOf(const Pod& pod) const {
  if (index_.objects().peer_authentications.empty()) return std::nullopt;
  const PeerAuthentication* own = SelectorPolicyOf(pod);
  if (own != nullptr && !Exceptions(*own).empty()) {
    return own->meta.namespace_name + "/" + PortPolicyName(*own);
  }
  const bool strict = own != nullptr ? IsStrict(*own) : ParentIsStrict(pod.meta.namespace_name);
  if (!strict) return std::nullopt;
  return index_.settings().root_namespace + "/" + std::string(kStaticStrict);
}

const PeerAuthentication* PeerAuthentications::SourceOf(const Pod& pod) const {
  const PeerAuthentication* const own = SelectorPolicyOf(pod);
  const bool speaks = own != nullptr && (own->mode != Mode::kUnset || !Exceptions(*own).empty());
  return speaks ? own : ParentOf(pod.meta.namespace_name);
}

}  // namespace aquifer::control
