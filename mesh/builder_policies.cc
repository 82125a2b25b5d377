// Policies into the tables: by key, by namespace, and those for everybody.
#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "mesh/builder.h"

namespace aquifer::mesh {
namespace {

std::vector<PolicyRef>::iterator PlaceOf(std::vector<PolicyRef>& policies, const Policy& policy) {
  return std::lower_bound(policies.begin(), policies.end(), policy,
                          [](const PolicyRef& p, const Policy& wanted) {
                            return std::tie(p->ns, p->name) < std::tie(wanted.ns, wanted.name);
                          });
}

void AddPolicy(std::vector<PolicyRef>& policies, const PolicyRef& policy) {
  policies.insert(PlaceOf(policies, *policy), policy);
}

void DropPolicy(std::vector<PolicyRef>& policies, const Policy& policy) {
  const auto at = PlaceOf(policies, policy);
  if (at != policies.end() && (*at)->key() == policy.key()) policies.erase(at);
}

// Removed policies that attached workloads may still name for a moment. A bound, not a tuning knob:
// the oldest turn into unknown ones, which deny.
constexpr size_t kMaxRemovedPolicies = 1024;

}  // namespace

void Builder::Put(Policy policy) {
  const std::string key = policy.key();
  const auto* row = tables_.policies.Find(key);
  if (row != nullptr && row->value != nullptr && *row->value == policy) return;
  changed_ = true;
  ++policy_generation_;
  if (row != nullptr && row->value != nullptr) UnindexPolicy(row->value);
  ForgetRemovedPolicy(key);
  IndexPolicy(std::make_shared<const Policy>(std::move(policy)));
}

void Builder::IndexPolicy(const PolicyRef& policy) {
  Edit(tables_.policies, policy->key()) = policy;
  if (policy->scope == PolicyScope::kGlobal) AddPolicy(tables_.global_policies, policy);
  if (policy->scope == PolicyScope::kNamespace) {
    AddPolicy(Edit(tables_.namespace_policies, policy->ns), policy);
  }
}

void Builder::UnindexPolicy(const PolicyRef& policy) {
  if (policy->scope == PolicyScope::kGlobal) DropPolicy(tables_.global_policies, *policy);
  if (policy->scope == PolicyScope::kNamespace) {
    std::vector<PolicyRef>& policies = Edit(tables_.namespace_policies, policy->ns);
    DropPolicy(policies, *policy);
    if (policies.empty()) tables_.namespace_policies.Erase(policy->ns);
  }
  tables_.policies.Erase(policy->key());
}

void Builder::RemovePolicy(std::string_view name) {
  const auto* row = tables_.policies.Find(name);
  if (row == nullptr || row->value == nullptr) return;
  const PolicyRef policy = row->value;
  changed_ = true;
  ++policy_generation_;
  UnindexPolicy(policy);
  if (policy->scope != PolicyScope::kWorkloadSelector) return;
  tables_.policies.Put({policy->key(), nullptr});
  ++tables_.removed_policies;
  removed_policies_.push_back(policy->key());
  if (removed_policies_.size() <= kMaxRemovedPolicies) return;
  const std::string oldest = removed_policies_.front();
  ForgetRemovedPolicy(oldest);
}

void Builder::ForgetRemovedPolicy(std::string_view key) {
  const auto* row = tables_.policies.Find(key);
  if (row == nullptr || row->value != nullptr) return;
  changed_ = true;
  ++policy_generation_;
  const auto at = std::find(removed_policies_.begin(), removed_policies_.end(), key);
  if (at != removed_policies_.end()) removed_policies_.erase(at);
  tables_.policies.Erase(key);
  --tables_.removed_policies;
}

}  // namespace aquifer::mesh
