#include "waypoint/policy_index.h"

#include <algorithm>
#include <set>

namespace aquifer::waypoint {
namespace {

// Whether the policy counts for everything that passes this proxy.
bool CountsForAll(const Policy& policy, const PolicyTarget& target, const Gateway& gateway) {
  switch (target.kind) {
    case PolicyTarget::Kind::kEverything:
      return true;
    case PolicyTarget::Kind::kGateway:
      return target.name == gateway.name;
    case PolicyTarget::Kind::kGatewayClass:
      // Only who rules the mesh may speak for a whole class.
      return target.name.name == gateway.class_name &&
             policy.name.ns == gateway.mesh.root_namespace;
    case PolicyTarget::Kind::kService:
      return false;
  }
  return true;
}

void Insert(const PolicyPtr& policy, PolicySet& set) {
  if (policy->dry_run) {
    set.shadow.push_back(policy);
    return;
  }
  switch (policy->action) {
    case PolicyAction::kAllow:
      set.allow.push_back(policy);
      break;
    case PolicyAction::kDeny:
      set.deny.push_back(policy);
      break;
    case PolicyAction::kAudit:
      set.audit.push_back(policy);
      break;
    case PolicyAction::kCustom:
      set.custom.push_back(policy);
      break;
  }
}

}  // namespace

PolicyIndex::PolicyIndex(const Gateway& gateway, std::vector<PolicyPtr> policies) {
  std::sort(policies.begin(), policies.end(),
            [](const PolicyPtr& a, const PolicyPtr& b) { return a->name < b->name; });
  // First the names of all services that have a set of their own: a set holds the common policies
  // too, and in one order.
  for (const PolicyPtr& policy : policies) {
    for (const PolicyTarget& target : policy->targets) {
      if (target.kind == PolicyTarget::Kind::kService) {
        services_[{target.name.ns, target.name.name}];
      }
    }
  }
  for (const PolicyPtr& policy : policies) {
    const bool all = std::any_of(
        policy->targets.begin(), policy->targets.end(),
        [&](const PolicyTarget& target) { return CountsForAll(*policy, target, gateway); });
    if (all) {
      Insert(policy, gateway_);
      for (auto& [service, set] : services_) Insert(policy, set);
      continue;
    }
    std::set<std::pair<std::string, std::string>> named;  // a target may be repeated
    for (const PolicyTarget& target : policy->targets) {
      if (target.kind == PolicyTarget::Kind::kService) {
        named.emplace(target.name.ns, target.name.name);
      }
    }
    for (const auto& service : named) Insert(policy, services_[service]);
  }
}

const PolicySet& PolicyIndex::ForService(const std::string& ns, const std::string& hostname) const {
  const auto found = services_.find(std::pair(ns, hostname));
  return found == services_.end() ? gateway_ : found->second;
}

}  // namespace aquifer::waypoint
