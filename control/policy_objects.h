// The objects of Istio's security API as plain values. Strings keep the API's own forms ("a*",
// "*a", "*", path templates): who enforces a policy gives them their meaning.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/objects.h"

namespace aquifer::control {

struct PolicyTarget {
  std::string group;
  std::string kind;
  std::string name;
};

struct PolicySource {
  std::vector<std::string> principals, not_principals;
  std::vector<std::string> request_principals, not_request_principals;
  std::vector<std::string> namespaces, not_namespaces;
  std::vector<std::string> ip_blocks, not_ip_blocks;
  std::vector<std::string> remote_ip_blocks, not_remote_ip_blocks;
  std::vector<std::string> service_accounts, not_service_accounts;
  std::vector<std::string> trust_domains, not_trust_domains;
};

struct PolicyOperation {
  std::vector<std::string> hosts, not_hosts;
  std::vector<std::string> ports, not_ports;
  std::vector<std::string> methods, not_methods;
  std::vector<std::string> paths, not_paths;
};

struct PolicyCondition {
  std::string key;
  std::vector<std::string> values, not_values;
};

// Any source and any operation and every condition; an empty list of sources or operations asks
// nothing.
struct PolicyRule {
  std::vector<PolicySource> from;
  std::vector<PolicyOperation> to;
  std::vector<PolicyCondition> when;
};

struct AuthorizationPolicy {
  enum class Action : std::uint8_t { kAllow, kDeny, kAudit, kCustom };

  Meta meta;
  Action action = Action::kAllow;
  bool dry_run = false;
  std::optional<Labels> selector;  // absent without a selector; an empty one counts as absent
  std::vector<PolicyTarget> targets;
  std::vector<PolicyRule> rules;
};

struct PeerAuthentication {
  enum class Mode : std::uint8_t { kUnset, kDisable, kPermissive, kStrict };

  Meta meta;
  Labels selector;  // empty: of the whole namespace
  Mode mode = Mode::kUnset;
  std::map<std::uint16_t, Mode> ports;
};

}  // namespace aquifer::control
