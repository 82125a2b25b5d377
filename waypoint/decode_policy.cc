#include "waypoint/decode_policy.h"

#include <array>

#include "core/http/header.h"
#include "mesh/proto/waypoint.pb.h"
#include "waypoint/field_check.h"
#include "waypoint/unknown_fields.h"

namespace aquifer::waypoint {
namespace {

// 16 references of a policy, each perhaps to a ServiceEntry of 256 hosts.
constexpr int kMaxTargets = 16 * 256;
constexpr int kMaxRules = 512;
constexpr int kMaxClauses = 512;
constexpr int kMaxValues = 2048;

using Texts = google::protobuf::RepeatedPtrField<std::string>;

// Each decoder of one value has this shape; DecodeClause runs it over both lists of a field.
template <class T>
using DecodeValue = Decoded<T> (*)(const std::string& text, const std::string& field);

template <class T>
Check DecodeList(const Texts& texts, const std::string& field, DecodeValue<T> decode,
                 std::vector<T>& out) {
  AQ_TRY_STATUS(CheckCount(texts.size(), kMaxValues, field));
  for (int i = 0; i < texts.size(); ++i) {
    const std::string at = At(field, i);
    AQ_TRY_STATUS(CheckText(texts[i], at));
    // An empty value is a slip of the author's: "must be empty" cannot be said in this language.
    if (texts[i].empty()) return Refusal{at, "is empty"};
    AQ_TRY(T value, decode(texts[i], at));
    out.push_back(std::move(value));
  }
  return {};
}

template <class T>
Check DecodeClause(const Texts& values, const Texts& not_values, const std::string& field,
                   const std::string& not_field, DecodeValue<T> decode, Clause<T>& out) {
  AQ_TRY_STATUS(DecodeList(values, field, decode, out.values));
  return DecodeList(not_values, not_field, decode, out.not_values);
}

Decoded<StringPattern> DecodePattern(const std::string& text, const std::string&) {
  return StringPattern::Parse(text);
}

Decoded<StringPattern> DecodePathPattern(const std::string& text, const std::string&) {
  return StringPattern::Parse(UpperCaseEscapes(text));
}

Decoded<std::string> DecodeGlob(const std::string& text, const std::string&) { return text; }

Decoded<Cidr> DecodeBlock(const std::string& text, const std::string& field) {
  const std::optional<Cidr> block = Cidr::Parse(text);
  if (!block) return Refusal{field, "is neither an IP address nor a CIDR block"};
  return *block;
}

Decoded<std::uint16_t> DecodePort(const std::string& text, const std::string& field) {
  const std::optional<std::uint16_t> port = ParsePort(text);
  if (!port) return Refusal{field, "is not a port"};
  return *port;
}

Decoded<PathPattern> DecodePath(const std::string& text, const std::string& field) {
  PathPattern path;
  if (!PathTemplate::IsTemplate(text)) {
    path.pattern = StringPattern::Parse(UpperCaseEscapes(text));
    return path;
  }
  AQ_TRY(path.path_template, PathTemplate::Parse(UpperCaseEscapes(text), field));
  return path;
}

// "<account>" or "<namespace>/<account>"; the short form is completed by the caller.
Decoded<ServiceAccountName> DecodeAccount(const std::string& text, const std::string& field) {
  const size_t slash = text.find('/');
  ServiceAccountName account;
  if (slash == std::string::npos) {
    account.name = text;
  } else {
    account.ns = text.substr(0, slash);
    account.name = text.substr(slash + 1);
    AQ_TRY_STATUS(CheckName(account.ns, field));
  }
  AQ_TRY_STATUS(CheckName(account.name, field));
  return account;
}

// A short account name means an account of the policy's own namespace.
void CompleteAccounts(const std::string& ns, Clause<ServiceAccountName>& clause) {
  for (ServiceAccountName& account : clause.values) {
    if (account.ns.empty()) account.ns = ns;
  }
  for (ServiceAccountName& account : clause.not_values) {
    if (account.ns.empty()) account.ns = ns;
  }
}

template <class T>
bool IsSet(const Clause<T>& clause) {
  return !clause.values.empty() || !clause.not_values.empty();
}

Decoded<PolicySource> DecodeSource(const mesh::v1::AuthorizationSource& message,
                                   const std::string& ns, const std::string& field) {
  PolicySource source;
  AQ_TRY_STATUS(DecodeClause(message.principals(), message.not_principals(), field + ".principals",
                             field + ".not_principals", DecodePattern, source.principals));
  AQ_TRY_STATUS(DecodeClause(message.namespaces(), message.not_namespaces(), field + ".namespaces",
                             field + ".not_namespaces", DecodeGlob, source.namespaces));
  AQ_TRY_STATUS(DecodeClause(message.service_accounts(), message.not_service_accounts(),
                             field + ".service_accounts", field + ".not_service_accounts",
                             DecodeAccount, source.service_accounts));
  AQ_TRY_STATUS(DecodeClause(message.trust_domains(), message.not_trust_domains(),
                             field + ".trust_domains", field + ".not_trust_domains", DecodePattern,
                             source.trust_domains));
  AQ_TRY_STATUS(DecodeClause(message.ip_blocks(), message.not_ip_blocks(), field + ".ip_blocks",
                             field + ".not_ip_blocks", DecodeBlock, source.ip_blocks));
  AQ_TRY_STATUS(DecodeClause(message.remote_ip_blocks(), message.not_remote_ip_blocks(),
                             field + ".remote_ip_blocks", field + ".not_remote_ip_blocks",
                             DecodeBlock, source.remote_ip_blocks));
  CompleteAccounts(ns, source.service_accounts);
  source.needs_token =
      message.request_principals_size() > 0 || message.not_request_principals_size() > 0;
  const bool any = source.needs_token || IsSet(source.principals) || IsSet(source.namespaces) ||
                   IsSet(source.service_accounts) || IsSet(source.trust_domains) ||
                   IsSet(source.ip_blocks) || IsSet(source.remote_ip_blocks);
  // An empty source would match everybody; whoever means that leaves `from` out.
  if (!any) return Refusal{field, "names no source"};
  return source;
}

Decoded<PolicyOperation> DecodeOperation(const mesh::v1::AuthorizationOperation& message,
                                         const std::string& field) {
  PolicyOperation operation;
  AQ_TRY_STATUS(DecodeClause(message.hosts(), message.not_hosts(), field + ".hosts",
                             field + ".not_hosts", DecodePattern, operation.hosts));
  AQ_TRY_STATUS(DecodeClause(message.methods(), message.not_methods(), field + ".methods",
                             field + ".not_methods", DecodePattern, operation.methods));
  AQ_TRY_STATUS(DecodeClause(message.paths(), message.not_paths(), field + ".paths",
                             field + ".not_paths", DecodePath, operation.paths));
  AQ_TRY_STATUS(DecodeClause(message.ports(), message.not_ports(), field + ".ports",
                             field + ".not_ports", DecodePort, operation.ports));
  const bool any = IsSet(operation.hosts) || IsSet(operation.methods) || IsSet(operation.paths) ||
                   IsSet(operation.ports);
  if (!any) return Refusal{field, "names no operation"};
  return operation;
}

using Key = PolicyCondition::Key;

struct KeyName {
  std::string_view name;
  Key key;
};

constexpr std::array<KeyName, 11> kKeys = {{
    {"source.ip", Key::kSourceIp},
    {"remote.ip", Key::kRemoteIp},
    {"source.namespace", Key::kSourceNamespace},
    {"source.serviceAccount", Key::kSourceServiceAccount},
    {"source.trustDomain", Key::kSourceTrustDomain},
    {"source.principal", Key::kSourcePrincipal},
    {"destination.ip", Key::kDestinationIp},
    {"destination.port", Key::kDestinationPort},
    {"connection.sni", Key::kConnectionSni},
    {"request.auth.principal", Key::kUndecidable},
    {"request.auth.presenter", Key::kUndecidable},
}};

bool IsTokenOrExtensionKey(std::string_view key) {
  return key == "request.auth.audiences" || key.starts_with("request.auth.claims[") ||
         key.starts_with("experimental.envoy.filters.");
}

// Sets key and header.
Check DecodeKey(const std::string& text, const std::string& field, PolicyCondition& out) {
  constexpr std::string_view kHeaders = "request.headers[";
  if (text.starts_with(kHeaders) && text.ends_with(']')) {
    out.key = Key::kRequestHeader;
    out.header = LowerCase(text.substr(kHeaders.size(), text.size() - kHeaders.size() - 1));
    std::string_view name = out.header;
    if (name.starts_with(':')) name.remove_prefix(1);
    return CheckHeaderName(name, field);
  }
  for (const KeyName& known : kKeys) {
    if (known.name == text) {
      out.key = known.key;
      return {};
    }
  }
  if (IsTokenOrExtensionKey(text)) {
    out.key = Key::kUndecidable;
    return {};
  }
  return Refusal{field, "unknown attribute \"" + text.substr(0, 128) + "\""};
}

Check DecodeConditionValues(const mesh::v1::AuthorizationCondition& message,
                            const std::string& field, PolicyCondition& out) {
  const auto decode = [&](auto decoder, auto& clause) {
    return DecodeClause(message.values(), message.not_values(), field + ".values",
                        field + ".not_values", decoder, clause);
  };
  switch (out.key) {
    case Key::kSourceIp:
    case Key::kRemoteIp:
    case Key::kDestinationIp:
      return decode(&DecodeBlock, out.blocks);
    case Key::kSourceNamespace:
      return decode(&DecodeGlob, out.globs);
    case Key::kSourceServiceAccount:
      return decode(&DecodeAccount, out.service_accounts);
    case Key::kDestinationPort:
      return decode(&DecodePort, out.ports);
    case Key::kUndecidable:
      return {};
    case Key::kRequestHeader:
      return decode(out.header == ":path" ? &DecodePathPattern : &DecodePattern, out.patterns);
    case Key::kSourceTrustDomain:
    case Key::kSourcePrincipal:
    case Key::kConnectionSni:
      return decode(&DecodePattern, out.patterns);
  }
  return Refusal{field, "unknown attribute"};
}

Decoded<PolicyCondition> DecodeCondition(const mesh::v1::AuthorizationCondition& message,
                                         const std::string& ns, const std::string& field) {
  PolicyCondition condition;
  AQ_TRY_STATUS(CheckText(message.key(), field + ".key"));
  AQ_TRY_STATUS(DecodeKey(message.key(), field + ".key", condition));
  if (message.values_size() == 0 && message.not_values_size() == 0) {
    return Refusal{field, "has neither values nor not_values"};
  }
  AQ_TRY_STATUS(DecodeConditionValues(message, field, condition));
  CompleteAccounts(ns, condition.service_accounts);
  return condition;
}

Decoded<PolicyRule> DecodeRule(const mesh::v1::AuthorizationRule& message, const std::string& ns,
                               const std::string& field) {
  AQ_TRY_STATUS(CheckCount(message.from_size(), kMaxClauses, field + ".from"));
  AQ_TRY_STATUS(CheckCount(message.to_size(), kMaxClauses, field + ".to"));
  AQ_TRY_STATUS(CheckCount(message.when_size(), kMaxClauses, field + ".when"));
  PolicyRule rule;
  for (int i = 0; i < message.from_size(); ++i) {
    AQ_TRY(PolicySource source, DecodeSource(message.from(i), ns, At(field + ".from", i)));
    rule.from.push_back(std::move(source));
  }
  for (int i = 0; i < message.to_size(); ++i) {
    AQ_TRY(PolicyOperation operation, DecodeOperation(message.to(i), At(field + ".to", i)));
    rule.to.push_back(std::move(operation));
  }
  for (int i = 0; i < message.when_size(); ++i) {
    AQ_TRY(PolicyCondition condition, DecodeCondition(message.when(i), ns, At(field + ".when", i)));
    rule.when.push_back(std::move(condition));
  }
  return rule;
}

Decoded<PolicyTarget> DecodeTarget(const mesh::v1::PolicyTargetRef& message,
                                   const std::string& field) {
  PolicyTarget target;
  target.name = {message.namespace_(), message.name()};
  switch (message.kind()) {
    case mesh::v1::POLICY_TARGET_KIND_GATEWAY:
      target.kind = PolicyTarget::Kind::kGateway;
      break;
    case mesh::v1::POLICY_TARGET_KIND_GATEWAY_CLASS:
      target.kind = PolicyTarget::Kind::kGatewayClass;
      target.name.ns.clear();
      break;
    case mesh::v1::POLICY_TARGET_KIND_SERVICE:
    case mesh::v1::POLICY_TARGET_KIND_SERVICE_ENTRY:
      target.kind = PolicyTarget::Kind::kService;
      target.name.name = LowerCase(target.name.name);
      break;
    default:
      return Refusal{field + ".kind", "unknown kind " + std::to_string(message.kind())};
  }
  AQ_TRY_STATUS(CheckHostname(message.name(), field + ".name"));
  return target;
}

Check DecodeTargets(const mesh::v1::AuthorizationPolicy& message, Policy& out) {
  AQ_TRY_STATUS(CheckCount(message.target_refs_size(), kMaxTargets, "target_refs"));
  for (int i = 0; i < message.target_refs_size(); ++i) {
    AQ_TRY(PolicyTarget target, DecodeTarget(message.target_refs(i), At("target_refs", i)));
    out.targets.push_back(std::move(target));
  }
  return {};
}

Decoded<PolicyAction> DecodeAction(mesh::v1::AuthorizationAction action) {
  switch (action) {
    case mesh::v1::AUTHORIZATION_ACTION_ALLOW:
      return PolicyAction::kAllow;
    case mesh::v1::AUTHORIZATION_ACTION_DENY:
      return PolicyAction::kDeny;
    case mesh::v1::AUTHORIZATION_ACTION_AUDIT:
      return PolicyAction::kAudit;
    case mesh::v1::AUTHORIZATION_ACTION_CUSTOM:
      return PolicyAction::kCustom;
    default:
      return Refusal{"action", "unknown value " + std::to_string(action)};
  }
}

Check DecodeRules(const mesh::v1::AuthorizationPolicy& message, Policy& out) {
  if (HasUnknownFields(message)) return Refusal{"", "has fields that this version does not know"};
  AQ_TRY_STATUS(CheckName(message.namespace_(), "namespace"));
  AQ_TRY_STATUS(CheckName(message.name(), "name"));
  AQ_TRY(out.action, DecodeAction(message.action()));
  AQ_TRY_STATUS(CheckCount(message.rules_size(), kMaxRules, "rules"));
  for (int i = 0; i < message.rules_size(); ++i) {
    AQ_TRY(PolicyRule rule, DecodeRule(message.rules(i), message.namespace_(), At("rules", i)));
    out.rules.push_back(std::move(rule));
  }
  return {};
}

void Refuse(const Refusal& refusal, Policy& policy) {
  policy.refused = refusal.ToString();
  policy.action = PolicyAction::kDeny;
  policy.rules.clear();
}

}  // namespace

Policy DecodePolicy(const mesh::v1::AuthorizationPolicy& message) {
  Policy policy;
  policy.name = {message.namespace_().substr(0, 253), message.name().substr(0, 253)};
  policy.dry_run = message.dry_run();
  const Check targets = DecodeTargets(message, policy);
  if (!targets.ok()) {
    // Whom it protects is not known, so it protects everybody.
    policy.targets = {PolicyTarget{}};
    Refuse(targets.error(), policy);
    return policy;
  }
  const Check rules = DecodeRules(message, policy);
  if (!rules.ok()) Refuse(rules.error(), policy);
  return policy;
}

Policy RefusedPolicy(std::string_view resource_name, std::string_view why) {
  const size_t slash = resource_name.find('/');
  Policy policy;
  policy.name.ns = std::string(resource_name.substr(0, slash));
  if (slash != std::string_view::npos) policy.name.name = resource_name.substr(slash + 1);
  policy.targets = {PolicyTarget{}};
  Refuse(Refusal{"", std::string(why)}, policy);
  return policy;
}

}  // namespace aquifer::waypoint
