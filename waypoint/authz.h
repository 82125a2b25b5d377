// Decides requests and connections by AuthorizationPolicies (security.istio.io/v1): CUSTOM, then
// DENY, then ALLOW. Pure, any thread.
//
// What cannot be decided here fails closed. Tokens are not validated, so whatever a rule says about
// them (requestPrincipals, request.auth.*) counts as not fulfilled in an ALLOW and as fulfilled in
// a DENY; the same holds for the HTTP fields of a rule on a connection that is not HTTP. No
// external authorizer is asked either: a request that a CUSTOM policy matches is denied.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "certs/identity.h"
#include "core/base/address.h"
#include "waypoint/config_model.h"
#include "waypoint/policy_index.h"
#include "waypoint/request_view.h"

namespace aquifer::waypoint {

// What a decision is made about. Outlived by what it points to.
struct AuthzInput {
  const RequestView* request = nullptr;  // null: not HTTP
  // Who opened the mutual TLS connection; null for plaintext.
  const certs::Identity* peer = nullptr;
  Ip source_ip;
  Ip remote_ip;         // behind trusted proxies, see waypoint/client_address.h
  Address destination;  // of a service: its address and the service's port
  const MeshSettings* mesh = nullptr;
  std::string_view server_name;  // empty: not known
};

struct Verdict {
  bool allowed = true;
  const Policy* policy = nullptr;  // who denied; null: no ALLOW policy matched
  int rule = 0;

  // As Envoy words its response code details.
  std::string Details() const;
};

// What the dry-run policies would have said, for logs and metrics.
struct ShadowVerdict {
  std::optional<bool> allowed;  // empty: no dry-run policy
  const Policy* policy = nullptr;
};

// The first rule of `policy` that counts as fulfilled, from 0; what cannot be decided counts as the
// policy's action has it. Says nothing of a policy that was refused: it denies without a rule.
std::optional<int> MatchingRule(const Policy& policy, const AuthzInput& input);

// The verdict points into `policies`.
Verdict Authorize(const PolicySet& policies, const AuthzInput& input);
ShadowVerdict AuthorizeShadow(const PolicySet& policies, const AuthzInput& input);

}  // namespace aquifer::waypoint
