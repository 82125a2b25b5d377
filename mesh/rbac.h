// May this connection be? Authorization of connections (istio.security.Authorization) against the
// policies that apply to the destination workload. Pure: who connects to what, and the policies in
// their order, in; the verdict and the policy that gave it, out. Denials come first, then, if
// anything allows at all, somebody must. What cannot be judged denies. Any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "certs/identity.h"
#include "core/base/address.h"
#include "mesh/policy.h"

namespace aquifer::mesh {

// A connection as policies see it: the TCP peer, who it proved to be, and where it really goes (the
// pod's address and the application's port, never the tunnel's).
struct ConnectionView {
  const certs::Identity* identity = nullptr;  // null: not authenticated
  Ip source;
  Address destination;
};

enum class Verdict : std::uint8_t {
  kAllowed,          // a policy allows it, or none restricts
  kDenied,           // `policy` denies it
  kNotAllowed,       // there are allow policies, and none allows it
  kMalformedPolicy,  // `policy` could not be read; closed until it can
  kMissingPolicy,    // the workload names `policy`, which is not known (yet)
};

struct Decision {
  Verdict verdict = Verdict::kAllowed;
  // "<namespace>/<name>" of the one that decided; of kNotAllowed the first of those that did not
  // allow. Empty if no policy had a say.
  std::string policy;
  std::size_t more = 0;  // policies beside `policy` that did not allow
  // Dry-run policies, for the log only: those that would have denied, those that would have
  // allowed, and those that would not have, when nothing else allowed by name either.
  std::vector<std::string> dry_run_denials;
  std::vector<std::string> dry_run_allowances;
  std::vector<std::string> dry_run_refusals;

  bool allowed() const { return verdict == Verdict::kAllowed; }
  // For the access log: "explicitly denied by: default/deny-all".
  std::string Describe() const;
};

// `policies` in the order namespace, global, attached. `missing` names those that the workload
// refers to and nobody has seen.
Decision Authorize(const ConnectionView& connection, std::span<const PolicyRef> policies,
                   std::span<const std::string> missing = {});

// The first of `policy`'s rules that matches, from 0. Says nothing of its action or dry_run.
std::optional<std::size_t> MatchingRule(const Policy& policy, const ConnectionView& connection);
// Whether one does.
bool Matches(const Policy& policy, const ConnectionView& connection);

}  // namespace aquifer::mesh
