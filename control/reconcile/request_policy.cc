#include "control/reconcile/request_policy.h"

#include <algorithm>
#include <utility>

namespace aquifer::control {
namespace {

namespace pb = mesh::v1;
using Texts = std::vector<std::string>;

void Copy(const Texts& values, google::protobuf::RepeatedPtrField<std::string>* out) {
  for (const std::string& value : values) *out->Add() = value;
}

void Write(const PolicySource& source, pb::AuthorizationSource& out) {
  Copy(source.principals, out.mutable_principals());
  Copy(source.not_principals, out.mutable_not_principals());
  Copy(source.request_principals, out.mutable_request_principals());
  Copy(source.not_request_principals, out.mutable_not_request_principals());
  Copy(source.namespaces, out.mutable_namespaces());
  Copy(source.not_namespaces, out.mutable_not_namespaces());
  Copy(source.ip_blocks, out.mutable_ip_blocks());
  Copy(source.not_ip_blocks, out.mutable_not_ip_blocks());
  Copy(source.remote_ip_blocks, out.mutable_remote_ip_blocks());
  Copy(source.not_remote_ip_blocks, out.mutable_not_remote_ip_blocks());
  Copy(source.service_accounts, out.mutable_service_accounts());
  Copy(source.not_service_accounts, out.mutable_not_service_accounts());
  Copy(source.trust_domains, out.mutable_trust_domains());
  Copy(source.not_trust_domains, out.mutable_not_trust_domains());
}

void Write(const PolicyOperation& operation, pb::AuthorizationOperation& out) {
  Copy(operation.hosts, out.mutable_hosts());
  Copy(operation.not_hosts, out.mutable_not_hosts());
  Copy(operation.ports, out.mutable_ports());
  Copy(operation.not_ports, out.mutable_not_ports());
  Copy(operation.methods, out.mutable_methods());
  Copy(operation.not_methods, out.mutable_not_methods());
  Copy(operation.paths, out.mutable_paths());
  Copy(operation.not_paths, out.mutable_not_paths());
}

void Write(const PolicyRule& rule, pb::AuthorizationRule& out) {
  for (const PolicySource& source : rule.from) Write(source, *out.add_from());
  for (const PolicyOperation& operation : rule.to) Write(operation, *out.add_to());
  for (const PolicyCondition& condition : rule.when) {
    pb::AuthorizationCondition& to = *out.add_when();
    to.set_key(condition.key);
    Copy(condition.values, to.mutable_values());
    Copy(condition.not_values, to.mutable_not_values());
  }
}

pb::AuthorizationAction ActionOf(AuthorizationPolicy::Action action) {
  switch (action) {
    case AuthorizationPolicy::Action::kAllow:
      return pb::AUTHORIZATION_ACTION_ALLOW;
    case AuthorizationPolicy::Action::kDeny:
      return pb::AUTHORIZATION_ACTION_DENY;
    case AuthorizationPolicy::Action::kAudit:
      return pb::AUTHORIZATION_ACTION_AUDIT;
    case AuthorizationPolicy::Action::kCustom:
      return pb::AUTHORIZATION_ACTION_CUSTOM;
  }
  return pb::AUTHORIZATION_ACTION_DENY;
}

class Targeter {
 public:
  Targeter(const AuthorizationPolicy& policy, const MeshIndex& index, const GatewayMap& gateways,
           const ServiceWaypoints& waypoints, const Entries& entries)
      : policy_(policy),
        index_(index),
        gateways_(gateways),
        waypoints_(waypoints),
        entries_(entries) {}

  RequestPolicy Run() {
    for (const PolicyTarget& target : policy_.targets) Aim(target);
    if (policy_.targets.empty()) AimAtIngress();
    RequestPolicy result;
    if (!policy_.targets.empty()) result.conditions.push_back(Accepted());
    result.gateways = concerned_;
    if (message_.target_refs_size() == 0) return result;
    message_.set_namespace_(space());
    message_.set_name(policy_.meta.name);
    message_.set_action(ActionOf(policy_.action));
    message_.set_dry_run(policy_.dry_run);
    for (const PolicyRule& rule : policy_.rules) Write(rule, *message_.add_rules());
    result.message = std::move(message_);
    return result;
  }

 private:
  const std::string& space() const { return policy_.meta.namespace_name; }

  void AddTarget(pb::PolicyTargetKind kind, std::string target_namespace, std::string name) {
    pb::PolicyTargetRef& ref = *message_.add_target_refs();
    ref.set_kind(kind);
    ref.set_namespace_(std::move(target_namespace));
    ref.set_name(std::move(name));
  }

  void Concerns(const BoundGateway& gateway) {
    concerned_.insert(gateway.namespace_name() + "/" + gateway.name());
  }

  void Problem(const PolicyTarget& target, std::string reason, std::string_view why) {
    const std::string name = target.kind + (target.group.empty() ? "" : "." + target.group) + ":" +
                             space() + "/" + target.name;
    problems_ += (problems_.empty() ? "" : ", ") + name + " " + std::string(why);
    if (reason_.empty()) reason_ = std::move(reason);
  }

  void Aim(const PolicyTarget& target) {
    if (target.kind == "Gateway") return AimAtGateway(target);
    if (target.kind == "GatewayClass") return AimAtClass(target);
    if (target.kind == "Service") return AimAtService(target);
    if (target.kind == "ServiceEntry") return AimAtEntry(target);
    Problem(target, "TargetNotFound", "is not known");
  }

  void AimAtGateway(const PolicyTarget& target) {
    const BoundGateway* gateway = FindGateway(gateways_, space(), target.name);
    if (gateway == nullptr) return Problem(target, "TargetNotFound", "was not found");
    AddTarget(pb::POLICY_TARGET_KIND_GATEWAY, space(), target.name);
    Concerns(*gateway);
  }

  // Of waypoint classes only, and only from the root namespace: it concerns every waypoint of the
  // mesh.
  void AimAtClass(const PolicyTarget& target) {
    if (space() != index_.settings().root_namespace) {
      return Problem(target, "Invalid", "may be targeted from the root namespace only");
    }
    bool found = false;
    for (const auto& [key, gateway] : gateways_) {
      if (gateway.role != GatewayRole::kWaypoint || gateway.object->class_name != target.name)
        continue;
      Concerns(gateway);
      found = true;
    }
    if (!found) return Problem(target, "AncestorNotBound", "has no waypoint");
    AddTarget(pb::POLICY_TARGET_KIND_GATEWAY_CLASS, "", target.name);
  }

  void AimAtService(const PolicyTarget& target) {
    const Service* service = FindObject(index_.objects().services, space(), target.name);
    if (service == nullptr) return Problem(target, "TargetNotFound", "was not found");
    const auto bound = waypoints_.find(service);
    if (bound == waypoints_.end()) return Problem(target, "AncestorNotBound", "has no waypoint");
    AddTarget(pb::POLICY_TARGET_KIND_SERVICE, space(), index_.HostnameOf(*service));
    Concerns(*bound->second);
  }

  // Each host of an entry is a service of the workload API.
  void AimAtEntry(const PolicyTarget& target) {
    const ServiceEntry* entry = FindObject(index_.objects().service_entries, space(), target.name);
    if (entry == nullptr) return Problem(target, "TargetNotFound", "was not found");
    const Entries::Served* served = entries_.Find(*entry);
    if (served == nullptr)
      return Problem(target, "AncestorNotBound", "has no host that others have not taken");
    if (served->gateway == nullptr) return Problem(target, "AncestorNotBound", "has no waypoint");
    for (const std::string& host : served->hosts)
      AddTarget(pb::POLICY_TARGET_KIND_SERVICE_ENTRY, space(), host);
    Concerns(*served->gateway);
  }

  // Ingress gateways are workloads, too: policies of their namespace or of the root reach them, by
  // selector or without one.
  void AimAtIngress() {
    for (const auto& [key, gateway] : gateways_) {
      if (gateway.role != GatewayRole::kIngress) continue;
      if (space() != gateway.namespace_name() && space() != index_.settings().root_namespace)
        continue;
      if (!SelectsPodsOf(gateway)) continue;
      AddTarget(pb::POLICY_TARGET_KIND_GATEWAY, gateway.namespace_name(), gateway.name());
      Concerns(gateway);
    }
  }

  bool SelectsPodsOf(const BoundGateway& gateway) const {
    if (!policy_.selector || policy_.selector->empty()) return true;
    return std::any_of(gateway.pods.begin(), gateway.pods.end(), [&](const Pod* pod) {
      return HasLabels(pod->meta.labels, *policy_.selector);
    });
  }

  Condition Accepted() const {
    if (problems_.empty()) return {"WaypointAccepted", true, "Accepted", ""};
    if (message_.target_refs_size() > 0)
      return {"WaypointAccepted", true, "PartiallyInvalid", problems_};
    return {"WaypointAccepted", false, reason_, problems_};
  }

  const AuthorizationPolicy& policy_;
  const MeshIndex& index_;
  const GatewayMap& gateways_;
  const ServiceWaypoints& waypoints_;
  const Entries& entries_;
  pb::AuthorizationPolicy message_;
  std::set<std::string> concerned_;
  std::string problems_;
  std::string reason_;
};

}  // namespace

RequestPolicy ToRequestPolicy(const AuthorizationPolicy& policy, const MeshIndex& index,
                              const GatewayMap& gateways, const ServiceWaypoints& waypoints,
                              const Entries& entries) {
  return Targeter(policy, index, gateways, waypoints, entries).Run();
}

}  // namespace aquifer::control
