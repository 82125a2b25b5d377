#include "mesh/rbac.h"

#include <algorithm>

namespace aquifer::mesh {
namespace {

// A connection's texts, made once for all policies.
struct Subject {
  const ConnectionView& connection;
  std::string principal;  // without "spiffe://"; empty without identity
  std::string_view ns;
};

template <class T, class F>
bool Holds(const MatchLists<T>& lists, F matches) {
  const bool any = lists.any.empty() || std::any_of(lists.any.begin(), lists.any.end(), matches);
  return any && std::none_of(lists.none.begin(), lists.none.end(), matches);
}

bool HoldsAddress(const MatchLists<Cidr>& lists, const Ip& ip) {
  return Holds(lists, [&ip](const Cidr& cidr) { return cidr.Contains(ip); });
}

bool MatchHolds(const PolicyMatch& match, const Subject& subject) {
  if (match.empty())
    return false;  // asks for nothing: it is what is left of something that was not understood
  const certs::Identity* const identity = subject.connection.identity;
  // Without an identity no principal matches, not even a presence; so "none of" holds for every
  // list. STRICT is built on that.
  const bool principals = Holds(match.principals, [&](const StringMatch& m) {
    return identity != nullptr && m.Matches(subject.principal);
  });
  const bool namespaces =
      Holds(match.namespaces, [&](const StringMatch& m) { return m.Matches(subject.ns); });
  const bool accounts = Holds(match.service_accounts, [&](const ServiceAccountMatch& m) {
    return identity != nullptr && identity->ns == m.ns &&
           identity->service_account == m.service_account;
  });
  const Address& destination = subject.connection.destination;
  const bool ports =
      Holds(match.destination_ports, [&](std::uint16_t port) { return port == destination.port; });
  return principals && namespaces && accounts && ports &&
         HoldsAddress(match.source_ips, subject.connection.source) &&
         HoldsAddress(match.destination_ips, destination.ip);
}

bool ClauseHolds(const PolicyClause& clause, const Subject& subject) {
  if (clause.empty()) return true;
  return std::any_of(clause.begin(), clause.end(),
                     [&](const PolicyMatch& match) { return MatchHolds(match, subject); });
}

bool RuleHolds(const PolicyRule& rule, const Subject& subject) {
  return std::all_of(rule.begin(), rule.end(),
                     [&](const PolicyClause& clause) { return ClauseHolds(clause, subject); });
}

std::optional<std::size_t> RuleThatHolds(const Policy& policy, const Subject& subject) {
  for (std::size_t i = 0; i < policy.rules.size(); ++i) {
    if (RuleHolds(policy.rules[i], subject)) return i;
  }
  return std::nullopt;
}

bool PolicyHolds(const Policy& policy, const Subject& subject) {
  return RuleThatHolds(policy, subject).has_value();
}

// Which policies they are, so that the operator knows where to look.
std::string Unwilling(const std::string& first, std::size_t more) {
  if (first.empty()) return {};
  return ": " + first + (more == 0 ? "" : " and " + std::to_string(more) + " more");
}

// With enforced allow policies, one must allow.
Decision AmongAllowances(std::span<const PolicyRef> policies, const Subject& subject) {
  Decision decision{.verdict = Verdict::kNotAllowed};
  for (const PolicyRef& policy : policies) {
    if (policy->dry_run || policy->action != PolicyAction::kAllow) continue;
    if (PolicyHolds(*policy, subject))
      return Decision{.verdict = Verdict::kAllowed, .policy = policy->key()};
    if (decision.policy.empty()) {
      decision.policy = policy->key();
    } else {
      ++decision.more;
    }
  }
  return decision;
}

// What dry-run allowances would have made of it. `named`: an enforced policy allowed it.
void TryAllowances(std::span<const PolicyRef> policies, const Subject& subject, bool named,
                   Decision& decision) {
  for (const PolicyRef& policy : policies) {
    if (!policy->dry_run || policy->action != PolicyAction::kAllow) continue;
    const bool holds = PolicyHolds(*policy, subject);
    (holds ? decision.dry_run_allowances : decision.dry_run_refusals).push_back(policy->key());
  }
  if (named || !decision.dry_run_allowances.empty()) decision.dry_run_refusals.clear();
}

Subject SubjectOf(const ConnectionView& connection) {
  if (connection.identity == nullptr) return {connection, {}, {}};
  constexpr std::string_view kScheme = "spiffe://";
  return {connection, connection.identity->ToString().substr(kScheme.size()),
          connection.identity->ns};
}

}  // namespace

std::string Decision::Describe() const {
  switch (verdict) {
    case Verdict::kAllowed:
      return policy.empty() ? "allowed" : "allowed by: " + policy;
    case Verdict::kDenied:
      return "explicitly denied by: " + policy;
    case Verdict::kNotAllowed:
      return "allow policies exist, but none allowed" + Unwilling(policy, more);
    case Verdict::kMalformedPolicy:
      return "denied because this policy cannot be read: " + policy;
    case Verdict::kMissingPolicy:
      return "denied because this policy is not known yet: " + policy;
  }
  return "denied";
}

std::optional<std::size_t> MatchingRule(const Policy& policy, const ConnectionView& connection) {
  return RuleThatHolds(policy, SubjectOf(connection));
}

bool Matches(const Policy& policy, const ConnectionView& connection) {
  return MatchingRule(policy, connection).has_value();
}

Decision Authorize(const ConnectionView& connection, std::span<const PolicyRef> policies,
                   std::span<const std::string> missing) {
  Decision decision;
  const auto decide = [&decision](Verdict verdict, std::string policy) {
    decision.verdict = verdict;
    decision.policy = std::move(policy);
    return decision;
  };
  const Subject subject = SubjectOf(connection);
  bool restricted = false;
  for (const PolicyRef& policy : policies) {
    if (policy->malformed && !policy->dry_run)
      return decide(Verdict::kMalformedPolicy, policy->key());
    if (policy->action == PolicyAction::kAllow) {
      restricted = restricted || !policy->dry_run;
      continue;
    }
    if (!PolicyHolds(*policy, subject)) continue;
    if (!policy->dry_run) return decide(Verdict::kDenied, policy->key());
    decision.dry_run_denials.push_back(policy->key());
  }
  // After the denials: what is known to deny does not wait for what is not known.
  if (!missing.empty()) return decide(Verdict::kMissingPolicy, missing.front());
  Decision judged = restricted ? AmongAllowances(policies, subject) : Decision();
  judged.dry_run_denials = std::move(decision.dry_run_denials);
  TryAllowances(policies, subject, restricted && judged.allowed(), judged);
  return judged;
}

}  // namespace aquifer::mesh
