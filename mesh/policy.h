// One L4 authorization policy (istio.security.Authorization): whom it is for and which connections
// it matches. Evaluated by mesh/rbac. Plain values that never change once they are in a snapshot.
// Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"

namespace aquifer::mesh {

enum class PolicyScope : std::uint8_t {
  kGlobal,
  kNamespace,         // every workload of the policy's namespace
  kWorkloadSelector,  // the workloads that name it
};
enum class PolicyAction : std::uint8_t { kAllow, kDeny };

struct StringMatch {
  enum class Kind : std::uint8_t { kExact, kPrefix, kSuffix, kPresence };

  Kind kind = Kind::kExact;
  std::string value;

  bool Matches(std::string_view text) const {
    switch (kind) {
      case Kind::kExact:
        return text == value;
      case Kind::kPrefix:
        return text.starts_with(value);
      case Kind::kSuffix:
        return text.ends_with(value);
      case Kind::kPresence:
        return !text.empty();
    }
    return false;
  }
  friend bool operator==(const StringMatch&, const StringMatch&) = default;
};

struct ServiceAccountMatch {
  std::string ns;
  std::string service_account;

  friend bool operator==(const ServiceAccountMatch&, const ServiceAccountMatch&) = default;
};

// Values that one of must match and values that none of may. An empty list asks for nothing.
template <class T>
struct MatchLists {
  std::vector<T> any;
  std::vector<T> none;

  bool empty() const { return any.empty() && none.empty(); }
  friend bool operator==(const MatchLists&, const MatchLists&) = default;
};

// All kinds together must match; a match without any value matches nothing.
struct PolicyMatch {
  MatchLists<StringMatch> namespaces;
  MatchLists<StringMatch> principals;  // without "spiffe://"
  MatchLists<Cidr> source_ips;
  MatchLists<Cidr> destination_ips;
  MatchLists<std::uint16_t> destination_ports;
  MatchLists<ServiceAccountMatch> service_accounts;

  bool empty() const {
    return namespaces.empty() && principals.empty() && source_ips.empty() &&
           destination_ips.empty() && destination_ports.empty() && service_accounts.empty();
  }
  friend bool operator==(const PolicyMatch&, const PolicyMatch&) = default;
};

using PolicyClause = std::vector<PolicyMatch>;  // any of them; none at all is true
using PolicyRule = std::vector<PolicyClause>;   // all of them; none at all is true

struct Policy {
  std::string name;
  std::string ns;
  PolicyScope scope = PolicyScope::kGlobal;
  PolicyAction action = PolicyAction::kAllow;
  std::vector<PolicyRule> rules;  // any of them; none at all is false
  bool dry_run = false;
  // The control plane sent something that could not be read whole. What it was meant to allow or
  // deny is unknown, so everything it applies to is denied until a readable version comes.
  bool malformed = false;

  std::string key() const { return ns + "/" + name; }
  friend bool operator==(const Policy&, const Policy&) = default;
};

using PolicyRef = std::shared_ptr<const Policy>;

}  // namespace aquifer::mesh
