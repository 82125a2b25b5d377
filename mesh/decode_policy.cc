// The authorization half of mesh/decode.h. Here a value that is dropped can widen an ALLOW or
// weaken a DENY, so that nothing is dropped: one unreadable value and the whole policy is refused.
#include <string>
#include <utility>

#include "mesh/decode.h"
#include "mesh/fields.h"

namespace aquifer::mesh {
namespace {

namespace wire = istio::security;

// A condition of a newer protocol that we would ignore could be the one that narrows the match.
template <class Message>
std::optional<Refusal> UnknownFields(const Message& message) {
  const auto& unknown = message.GetReflection()->GetUnknownFields(message);
  if (unknown.field_count() == 0) return std::nullopt;
  return Refusal{"", "has unknown field " + std::to_string(unknown.field(0).number())};
}

// Counts what a policy consists of, so that its cost per connection is bounded as a whole.
class Budget {
 public:
  bool Take(size_t count) {
    if (count > left_) return false;
    left_ -= count;
    return true;
  }

 private:
  size_t left_ = kMaxPolicyElements;
};

Refusal TooLarge() {
  return Refusal{"", "more than " + std::to_string(kMaxPolicyElements) + " elements in one policy"};
}

Decoded<StringMatch> DecodeString(const wire::StringMatch& message) {
  if (auto refused = UnknownFields(message)) return *refused;
  StringMatch match;
  switch (message.match_type_case()) {
    case wire::StringMatch::kExact:
      match.kind = StringMatch::Kind::kExact;
      match.value = message.exact();
      break;
    case wire::StringMatch::kPrefix:
      match.kind = StringMatch::Kind::kPrefix;
      match.value = message.prefix();
      break;
    case wire::StringMatch::kSuffix:
      match.kind = StringMatch::Kind::kSuffix;
      match.value = message.suffix();
      break;
    case wire::StringMatch::kPresence:
      match.kind = StringMatch::Kind::kPresence;
      break;
    case wire::StringMatch::MATCH_TYPE_NOT_SET:
      return Refusal{"match_type", "has no kind of match"};
  }
  AQ_TRY(match.value, Name("", match.value));
  return match;
}

Decoded<Cidr> DecodeCidr(const wire::Address& message) {
  if (auto refused = UnknownFields(message)) return *refused;
  const std::optional<Ip> ip = Ip::FromBytes(message.address());
  if (!ip) {
    return Refusal{"address",
                   std::to_string(message.address().size()) + " bytes are not an IP address"};
  }
  // An IPv4 address in IPv6 clothes counts its bits from the first of 128.
  const unsigned behind = ip->is_v4() && message.address().size() == 16 ? 96 : 0;
  const std::optional<Cidr> cidr =
      message.length() < behind ? std::nullopt : Cidr::Make(*ip, message.length() - behind);
  if (cidr) return *cidr;
  return Refusal{"length", std::to_string(message.length()) + " does not fit the address"};
}

Decoded<std::uint16_t> DecodePort(std::uint32_t value) { return PortNumber("", value); }

Decoded<ServiceAccountMatch> DecodeAccount(const wire::ServiceAccountMatch& message) {
  if (auto refused = UnknownFields(message)) return *refused;
  ServiceAccountMatch match;
  AQ_TRY(match.ns, MandatoryName("namespace", message.namespace_()));
  AQ_TRY(match.service_account, MandatoryName("service_account", message.service_account()));
  return match;
}

template <class List, class T, class Decode>
std::optional<Refusal> DecodeList(std::string_view field, const List& messages, Decode decode,
                                  Budget& budget, std::vector<T>& values) {
  if (!budget.Take(messages.size())) return Within(field, TooLarge());
  values.reserve(messages.size());
  for (int i = 0; i < messages.size(); ++i) {
    Decoded<T> value = In(field, i, decode(messages.Get(i)));
    if (!value.ok()) return value.error();
    values.push_back(*std::move(value));
  }
  return std::nullopt;
}

Decoded<PolicyMatch> DecodeMatch(const wire::Match& m, Budget& budget) {
  if (auto refused = UnknownFields(m)) return *refused;
  if (m.extensions_size() > 0) return Refusal{"extensions", "is not supported in a match"};
  PolicyMatch match;
  std::optional<Refusal> refused;
  // Stops at the first list that is refused.
  const auto read = [&](std::string_view field, const auto& messages, auto decode, auto& values) {
    if (!refused) refused = DecodeList(field, messages, decode, budget, values);
  };
  read("namespaces", m.namespaces(), DecodeString, match.namespaces.any);
  read("not_namespaces", m.not_namespaces(), DecodeString, match.namespaces.none);
  read("principals", m.principals(), DecodeString, match.principals.any);
  read("not_principals", m.not_principals(), DecodeString, match.principals.none);
  read("source_ips", m.source_ips(), DecodeCidr, match.source_ips.any);
  read("not_source_ips", m.not_source_ips(), DecodeCidr, match.source_ips.none);
  read("destination_ips", m.destination_ips(), DecodeCidr, match.destination_ips.any);
  read("not_destination_ips", m.not_destination_ips(), DecodeCidr, match.destination_ips.none);
  read("destination_ports", m.destination_ports(), DecodePort, match.destination_ports.any);
  read("not_destination_ports", m.not_destination_ports(), DecodePort,
       match.destination_ports.none);
  read("service_accounts", m.service_accounts(), DecodeAccount, match.service_accounts.any);
  read("not_service_accounts", m.not_service_accounts(), DecodeAccount,
       match.service_accounts.none);
  if (refused) return *refused;
  return match;
}

Decoded<PolicyClause> DecodeClause(const wire::Clause& message, Budget& budget) {
  if (auto refused = UnknownFields(message)) return *refused;
  if (!budget.Take(message.matches_size())) return TooLarge();
  PolicyClause clause;
  clause.reserve(message.matches_size());
  for (int i = 0; i < message.matches_size(); ++i) {
    AQ_TRY(PolicyMatch match, In("matches", i, DecodeMatch(message.matches(i), budget)));
    clause.push_back(std::move(match));
  }
  return clause;
}

Decoded<PolicyRule> DecodeRule(const wire::Rule& message, Budget& budget) {
  if (auto refused = UnknownFields(message)) return *refused;
  if (!budget.Take(message.clauses_size())) return TooLarge();
  PolicyRule rule;
  rule.reserve(message.clauses_size());
  for (int i = 0; i < message.clauses_size(); ++i) {
    AQ_TRY(PolicyClause clause, In("clauses", i, DecodeClause(message.clauses(i), budget)));
    rule.push_back(std::move(clause));
  }
  return rule;
}

std::optional<PolicyScope> ScopeOf(const wire::Authorization& message) {
  switch (message.scope()) {
    case wire::GLOBAL:
      return PolicyScope::kGlobal;
    case wire::NAMESPACE:
      return PolicyScope::kNamespace;
    case wire::WORKLOAD_SELECTOR:
      return PolicyScope::kWorkloadSelector;
    default:
      return std::nullopt;
  }
}

}  // namespace

Decoded<Policy> DecodePolicy(const wire::Authorization& message) {
  Policy policy;
  AQ_TRY(policy.name, MandatoryName("name", message.name()));
  AQ_TRY(policy.ns, MandatoryName("namespace", message.namespace_()));
  if (policy.name.find('/') != std::string::npos) return Refusal{"name", "has a slash"};
  if (policy.ns.find('/') != std::string::npos) return Refusal{"namespace", "has a slash"};
  const std::optional<PolicyScope> scope = ScopeOf(message);
  if (!scope) return Refusal{"scope", "unknown value " + std::to_string(message.scope())};
  policy.scope = *scope;
  switch (message.action()) {
    case wire::ALLOW:
      policy.action = PolicyAction::kAllow;
      break;
    case wire::DENY:
      policy.action = PolicyAction::kDeny;
      break;
    default:
      return Refusal{"action", "unknown value " + std::to_string(message.action())};
  }
  policy.dry_run = message.dry_run();
  Budget budget;
  if (!budget.Take(message.rules_size())) return Within("rules", TooLarge());
  policy.rules.reserve(message.rules_size());
  for (int i = 0; i < message.rules_size(); ++i) {
    AQ_TRY(PolicyRule rule, In("rules", i, DecodeRule(message.rules(i), budget)));
    policy.rules.push_back(std::move(rule));
  }
  return policy;
}

std::optional<Policy> MalformedPolicy(const wire::Authorization& message,
                                      std::string_view resource_name) {
  std::optional<Policy> policy = MalformedPolicy(resource_name);
  if (!policy) return std::nullopt;
  // A scope that we do not know is narrower than the mesh, but may be as wide as its namespace.
  policy->scope = ScopeOf(message).value_or(PolicyScope::kNamespace);
  policy->dry_run = message.dry_run();
  return policy;
}

std::optional<Policy> MalformedPolicy(std::string_view resource_name) {
  const std::optional<NamespacedHostname> key = NamespacedHostname::Parse(resource_name);
  if (!key || key->ns.empty() || !Name("", resource_name).ok()) return std::nullopt;
  Policy policy;
  policy.ns = key->ns;
  policy.name = key->hostname;
  policy.scope = PolicyScope::kNamespace;
  policy.action = PolicyAction::kDeny;
  policy.malformed = true;
  return policy;
}

}  // namespace aquifer::mesh
