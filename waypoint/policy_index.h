// Which AuthorizationPolicies count for which traffic of one proxy: those that target its Gateway
// or class, and for traffic to a service also those that target the service. Immutable once built,
// any thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "waypoint/config_model.h"

namespace aquifer::waypoint {

using PolicyPtr = std::shared_ptr<const Policy>;

// Ordered by name, so that the same request is always denied in the name of the same policy.
struct PolicySet {
  std::vector<PolicyPtr> custom;
  std::vector<PolicyPtr> deny;
  std::vector<PolicyPtr> allow;
  std::vector<PolicyPtr> audit;
  std::vector<PolicyPtr> shadow;  // dry run

  bool empty() const {
    return custom.empty() && deny.empty() && allow.empty() && audit.empty() && shadow.empty();
  }
};

class PolicyIndex {
 public:
  PolicyIndex() = default;
  PolicyIndex(const Gateway& gateway, std::vector<PolicyPtr> policies);

  // Traffic that is addressed to no service.
  const PolicySet& ForGateway() const { return gateway_; }
  const PolicySet& ForService(const std::string& ns, const std::string& hostname) const;

 private:
  PolicySet gateway_;
  absl::flat_hash_map<std::pair<std::string, std::string>, PolicySet> services_;
};

}  // namespace aquifer::waypoint
