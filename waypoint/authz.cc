#include "waypoint/authz.h"

#include <algorithm>

namespace aquifer::waypoint {
namespace {

// A star anywhere stands for any text. Greedy from the left, so linear in practice and quadratic at
// worst, on names of at most 253 bytes.
bool GlobMatches(std::string_view glob, std::string_view text) {
  size_t g = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t resume = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = t;
    } else if (g < glob.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

// One of the values, if there are any, and none of the not_values.
template <class T, class Matcher>
bool Holds(const Clause<T>& clause, const Matcher& matches) {
  if (!clause.values.empty() && std::none_of(clause.values.begin(), clause.values.end(), matches)) {
    return false;
  }
  return std::none_of(clause.not_values.begin(), clause.not_values.end(), matches);
}

template <class T>
bool IsSet(const Clause<T>& clause) {
  return !clause.values.empty() || !clause.not_values.empty();
}

class Evaluation {
 public:
  // `undecided` is what counts when something cannot be known: whatever denies.
  Evaluation(const AuthzInput& input, bool undecided) : input_(input), undecided_(undecided) {}

  bool Matches(const PolicyRule& rule) const {
    const auto source = [this](const PolicySource& from) { return MatchesSource(from); };
    const auto operation = [this](const PolicyOperation& to) { return MatchesOperation(to); };
    const auto condition = [this](const PolicyCondition& when) { return MatchesCondition(when); };
    return (rule.from.empty() || std::any_of(rule.from.begin(), rule.from.end(), source)) &&
           (rule.to.empty() || std::any_of(rule.to.begin(), rule.to.end(), operation)) &&
           std::all_of(rule.when.begin(), rule.when.end(), condition);
  }

 private:
  bool MatchesSource(const PolicySource& source) const {
    if (source.needs_token && !undecided_) return false;
    return PrincipalHolds(source.principals) && NamespaceHolds(source.namespaces) &&
           AccountHolds(source.service_accounts) && TrustDomainHolds(source.trust_domains) &&
           BlockHolds(source.ip_blocks, input_.source_ip) &&
           BlockHolds(source.remote_ip_blocks, input_.remote_ip);
  }

  bool MatchesOperation(const PolicyOperation& operation) const {
    if (!PortHolds(operation.ports)) return false;
    const RequestView* const request = input_.request;
    if (request == nullptr) {
      const bool http =
          IsSet(operation.hosts) || IsSet(operation.methods) || IsSet(operation.paths);
      return !http || undecided_;
    }
    return Holds(
               operation.hosts,
               [&](const StringPattern& host) { return HostMatches(host, request->authority); }) &&
           Holds(
               operation.methods,
               [&](const StringPattern& method) { return LineMatches(method, request->method); }) &&
           Holds(operation.paths,
                 [&](const PathPattern& path) { return path.Matches(request->path); });
  }

  bool MatchesCondition(const PolicyCondition& condition) const {
    using Key = PolicyCondition::Key;
    switch (condition.key) {
      case Key::kRequestHeader:
        return HeaderHolds(condition);
      case Key::kSourceIp:
        return BlockHolds(condition.blocks, input_.source_ip);
      case Key::kRemoteIp:
        return BlockHolds(condition.blocks, input_.remote_ip);
      case Key::kSourceNamespace:
        return NamespaceHolds(condition.globs);
      case Key::kSourceServiceAccount:
        return AccountHolds(condition.service_accounts);
      case Key::kSourceTrustDomain:
        return TrustDomainHolds(condition.patterns);
      case Key::kSourcePrincipal:
        return PrincipalHolds(condition.patterns);
      case Key::kDestinationIp:
        return BlockHolds(condition.blocks, input_.destination.ip);
      case Key::kDestinationPort:
        return PortHolds(condition.ports);
      case Key::kConnectionSni:
        // Known of what a TLS listener passes through only.
        return Holds(condition.patterns, [this](const StringPattern& pattern) {
          return !input_.server_name.empty() && pattern.Matches(input_.server_name);
        });
      case Key::kUndecidable:
        return undecided_;
    }
    return undecided_;
  }

  // Every line of a repeated header is a value of its own.
  bool HeaderHolds(const PolicyCondition& condition) const {
    if (input_.request == nullptr) return undecided_;
    const std::optional<std::string_view> pseudo = PseudoHeader(*input_.request, condition.header);
    return Holds(condition.patterns, [&](const StringPattern& pattern) {
      if (pseudo) return LineMatches(pattern, *pseudo);
      for (const http::HeaderField field : *input_.request->headers) {
        if (field.name == condition.header && LineMatches(pattern, field.value)) return true;
      }
      return false;
    });
  }

  // A header, method or host that is there is present, even if it is empty.
  static bool LineMatches(const StringPattern& pattern, std::string_view line) {
    return pattern.kind() == StringPattern::Kind::kPresence || pattern.Matches(line);
  }

  static bool HostMatches(const StringPattern& pattern, std::string_view authority) {
    return pattern.kind() == StringPattern::Kind::kPresence || pattern.MatchesIgnoreCase(authority);
  }

  bool PrincipalHolds(const Clause<StringPattern>& clause) const {
    if (!IsSet(clause)) return true;
    if (!spellings_) spellings_ = PeerSpellings();
    return Holds(clause, [this](const StringPattern& pattern) {
      return std::any_of(spellings_->begin(), spellings_->end(),
                         [&](const std::string& spelling) { return pattern.Matches(spelling); });
    });
  }

  // The peer's principal in every trust domain that means the same as its own.
  std::vector<std::string> PeerSpellings() const {
    std::vector<std::string> spellings;
    if (input_.peer == nullptr) return spellings;
    for (const std::string_view domain : PeerTrustDomains()) {
      spellings.push_back(std::string(domain) + "/ns/" + input_.peer->ns + "/sa/" +
                          input_.peer->service_account);
    }
    return spellings;
  }

  // "cluster.local" in a policy points at the mesh's own trust domain, whatever that is called.
  std::vector<std::string_view> PeerTrustDomains() const {
    const std::string& own = input_.peer->trust_domain;
    const MeshSettings& mesh = *input_.mesh;
    std::vector<std::string_view> domains{mesh.trust_domain};
    domains.insert(domains.end(), mesh.trust_domain_aliases.begin(),
                   mesh.trust_domain_aliases.end());
    if (std::find(domains.begin(), domains.end(), own) == domains.end()) return {own};
    domains.emplace_back("cluster.local");
    return domains;
  }

  bool TrustDomainHolds(const Clause<StringPattern>& clause) const {
    return Holds(clause, [this](const StringPattern& pattern) {
      return input_.peer != nullptr && pattern.Matches(input_.peer->trust_domain);
    });
  }

  bool NamespaceHolds(const Clause<std::string>& clause) const {
    return Holds(clause, [this](const std::string& glob) {
      return input_.peer != nullptr && GlobMatches(glob, input_.peer->ns);
    });
  }

  bool AccountHolds(const Clause<ServiceAccountName>& clause) const {
    return Holds(clause, [this](const ServiceAccountName& account) {
      return input_.peer != nullptr && input_.peer->ns == account.ns &&
             input_.peer->service_account == account.name;
    });
  }

  static bool BlockHolds(const Clause<Cidr>& clause, const Ip& ip) {
    return Holds(clause, [&](const Cidr& block) { return block.Contains(ip); });
  }

  bool PortHolds(const Clause<std::uint16_t>& clause) const {
    return Holds(clause, [this](std::uint16_t port) { return port == input_.destination.port; });
  }

  const AuthzInput& input_;
  const bool undecided_;
  mutable std::optional<std::vector<std::string>> spellings_;  // made when first asked for
};

std::optional<int> FirstMatch(const Policy& policy, const Evaluation& evaluation) {
  for (size_t i = 0; i < policy.rules.size(); ++i) {
    if (evaluation.Matches(policy.rules[i])) return static_cast<int>(i);
  }
  return std::nullopt;
}

// The first policy with a rule that matches.
std::optional<Verdict> FindMatch(const std::vector<PolicyPtr>& policies, const AuthzInput& input,
                                 bool undecided) {
  const Evaluation evaluation(input, undecided);
  for (const PolicyPtr& policy : policies) {
    if (!policy->refused.empty()) return Verdict{.allowed = false, .policy = policy.get()};
    if (const std::optional<int> rule = FirstMatch(*policy, evaluation))
      return Verdict{.allowed = false, .policy = policy.get(), .rule = *rule};
  }
  return std::nullopt;
}

}  // namespace

std::string Verdict::Details() const {
  if (allowed) return "";
  if (policy == nullptr) return "rbac_access_denied_matched_policy[none]";
  return "rbac_access_denied_matched_policy[ns[" + policy->name.ns + "]-policy[" +
         policy->name.name + "]-rule[" + std::to_string(rule) + "]]";
}

std::optional<int> MatchingRule(const Policy& policy, const AuthzInput& input) {
  return FirstMatch(policy, Evaluation(input, policy.action != PolicyAction::kAllow));
}

Verdict Authorize(const PolicySet& policies, const AuthzInput& input) {
  if (const auto match = FindMatch(policies.custom, input, true)) return *match;
  if (const auto match = FindMatch(policies.deny, input, true)) return *match;
  if (policies.allow.empty() || FindMatch(policies.allow, input, false)) return Verdict{};
  return Verdict{.allowed = false};
}

ShadowVerdict AuthorizeShadow(const PolicySet& policies, const AuthzInput& input) {
  PolicySet set;
  for (const PolicyPtr& policy : policies.shadow) {
    if (policy->action == PolicyAction::kDeny) set.deny.push_back(policy);
    if (policy->action == PolicyAction::kAllow) set.allow.push_back(policy);
  }
  if (set.empty()) return {};
  const Verdict verdict = Authorize(set, input);
  return {.allowed = verdict.allowed, .policy = verdict.policy};
}

}  // namespace aquifer::waypoint
