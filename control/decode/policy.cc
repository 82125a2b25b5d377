// AuthorizationPolicy and PeerAuthentication, checked as strictly as Istio's admission does: a
// policy that is not understood in every part is not taken at all, since half a policy allows or
// refuses what its author never wrote.
#include <algorithm>
#include <array>
#include <utility>

#include "control/decode/decode.h"
#include "control/kube/values.h"
#include "control/names.h"

namespace aquifer::control {
namespace {

constexpr size_t kMaxRules = 512;
constexpr size_t kMaxValues = 1024;

using Lists = std::vector<std::string>;

// A list of values of a source, an operation or a condition.
Lists Values(Fields& fields, std::string_view key) {
  Lists values = fields.Texts(key, kMaxValues);
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].empty())
      fields.Refuse(std::string(key) + "[" + std::to_string(i) + "]", "is empty");
  }
  return values;
}

template <class Check>
Lists CheckedValues(Fields& fields, std::string_view key, Check check, std::string_view why) {
  Lists values = Values(fields, key);
  for (size_t i = 0; i < values.size() && !fields.refused(); ++i) {
    if (!check(values[i]))
      fields.Refuse(std::string(key) + "[" + std::to_string(i) + "]", std::string(why));
  }
  return values;
}

Lists IpBlocks(Fields& fields, std::string_view key) {
  return CheckedValues(
      fields, key, [](const std::string& text) { return Cidr::Parse(text).has_value(); },
      "is neither an IP address nor a prefix");
}

Lists Ports(Fields& fields, std::string_view key) {
  return CheckedValues(
      fields, key, [](const std::string& text) { return ParsePort(text).has_value(); },
      "is not a port number");
}

// "{*}" is one path segment and "{**}" any number, last of its kind; neither goes together with a
// plain '*'.
bool IsPathForm(const std::string& path) {
  if (path.find_first_of("{}") == std::string::npos) return true;
  if (!path.starts_with('/')) return false;
  bool rest_taken = false;
  std::string_view left = path;
  while (!left.empty()) {
    left.remove_prefix(1);  // the slash
    const std::string_view segment = left.substr(0, left.find('/'));
    left.remove_prefix(segment.size());
    if (segment == "{*}" || segment == "{**}") {
      if (rest_taken) return false;
      rest_taken = segment == "{**}";
    } else if (segment.find_first_of("{}*") != std::string_view::npos) {
      return false;
    }
  }
  return true;
}

Lists Paths(Fields& fields, std::string_view key) {
  return CheckedValues(fields, key, IsPathForm, "is not a valid path template");
}

bool IsAccountForm(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return IsDnsSubdomain(text);
  return IsDnsLabel(std::string_view(text).substr(0, slash)) &&
         IsDnsSubdomain(std::string_view(text).substr(slash + 1));
}

Lists Accounts(Fields& fields, std::string_view key) {
  Lists accounts =
      CheckedValues(fields, key, IsAccountForm, "is neither an account nor <namespace>/<account>");
  if (accounts.size() > 16) fields.Refuse(key, "more than 16 items");
  return accounts;
}

template <class... List>
bool AllEmpty(const List&... lists) {
  return (lists.empty() && ...);
}

PolicySource ReadSource(Fields& fields) {
  PolicySource s;
  s.principals = Values(fields, "principals");
  s.not_principals = Values(fields, "notPrincipals");
  s.request_principals = Values(fields, "requestPrincipals");
  s.not_request_principals = Values(fields, "notRequestPrincipals");
  s.namespaces = Values(fields, "namespaces");
  s.not_namespaces = Values(fields, "notNamespaces");
  s.ip_blocks = IpBlocks(fields, "ipBlocks");
  s.not_ip_blocks = IpBlocks(fields, "notIpBlocks");
  s.remote_ip_blocks = IpBlocks(fields, "remoteIpBlocks");
  s.not_remote_ip_blocks = IpBlocks(fields, "notRemoteIpBlocks");
  s.service_accounts = Accounts(fields, "serviceAccounts");
  s.not_service_accounts = Accounts(fields, "notServiceAccounts");
  s.trust_domains = Values(fields, "trustDomains");
  s.not_trust_domains = Values(fields, "notTrustDomains");
  fields.RefuseOthers();
  const bool others = !AllEmpty(s.principals, s.not_principals, s.namespaces, s.not_namespaces);
  const bool accounts = !AllEmpty(s.service_accounts, s.not_service_accounts);
  if (accounts && others)
    fields.RefuseHere("serviceAccounts cannot be combined with principals or namespaces");
  if (!accounts && !others &&
      AllEmpty(s.request_principals, s.not_request_principals, s.ip_blocks, s.not_ip_blocks,
               s.remote_ip_blocks, s.not_remote_ip_blocks, s.trust_domains, s.not_trust_domains)) {
    fields.RefuseHere("names nothing, so it would match everybody");
  }
  return s;
}

PolicyOperation ReadOperation(Fields& fields) {
  PolicyOperation op;
  op.hosts = Values(fields, "hosts");
  op.not_hosts = Values(fields, "notHosts");
  op.ports = Ports(fields, "ports");
  op.not_ports = Ports(fields, "notPorts");
  op.methods = Values(fields, "methods");
  op.not_methods = Values(fields, "notMethods");
  op.paths = Paths(fields, "paths");
  op.not_paths = Paths(fields, "notPaths");
  fields.RefuseOthers();
  if (AllEmpty(op.hosts, op.not_hosts, op.ports, op.not_ports, op.methods, op.not_methods, op.paths,
               op.not_paths)) {
    fields.RefuseHere("names nothing, so it would match everything");
  }
  return op;
}

bool IsConditionKey(std::string_view key) {
  static constexpr std::array<std::string_view, 12> kKeys = {
      "source.ip",
      "remote.ip",
      "source.namespace",
      "source.serviceAccount",
      "source.trustDomain",
      "source.principal",
      "request.auth.principal",
      "request.auth.audiences",
      "request.auth.presenter",
      "destination.ip",
      "destination.port",
      "connection.sni",
  };
  if (std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end()) return true;
  const auto bracketed = [&](std::string_view prefix) {
    return key.starts_with(prefix) && key.ends_with("]") && key.size() > prefix.size() + 1;
  };
  return bracketed("request.headers[") || bracketed("request.auth.claims[") ||
         key.starts_with("experimental.envoy.filters.");
}

PolicyCondition ReadCondition(Fields& fields) {
  PolicyCondition condition;
  condition.key = fields.RequiredText("key", 512);
  if (!IsConditionKey(condition.key))
    fields.Refuse("key", "\"" + PrintableText(condition.key) + "\" is not a condition");
  const bool ip = condition.key == "source.ip" || condition.key == "remote.ip" ||
                  condition.key == "destination.ip";
  const bool port = condition.key == "destination.port";
  const auto read = [&](std::string_view key) {
    return ip ? IpBlocks(fields, key) : port ? Ports(fields, key) : Values(fields, key);
  };
  condition.values = read("values");
  condition.not_values = read("notValues");
  fields.RefuseOthers();
  if (AllEmpty(condition.values, condition.not_values))
    fields.RefuseHere("needs values or notValues");
  return condition;
}

// A list that is written out and empty would ask nothing, and so match everybody: Istio refuses it,
// too.
void RefuseEmptyList(Fields& rule, std::string_view key, bool empty) {
  if (empty && rule.Has(key)) rule.Refuse(key, "is an empty list");
}

PolicyRule ReadRule(Fields& fields) {
  PolicyRule rule;
  fields.ForEach("from", kMaxRules, [&](Fields& item) {
    Fields source = item.Object("source");
    if (!source.present()) item.Refuse("source", "is required");
    rule.from.push_back(ReadSource(source));
    item.RefuseOthers();
  });
  fields.ForEach("to", kMaxRules, [&](Fields& item) {
    Fields operation = item.Object("operation");
    if (!operation.present()) item.Refuse("operation", "is required");
    rule.to.push_back(ReadOperation(operation));
    item.RefuseOthers();
  });
  fields.ForEach("when", kMaxRules,
                 [&](Fields& item) { rule.when.push_back(ReadCondition(item)); });
  RefuseEmptyList(fields, "from", rule.from.empty());
  RefuseEmptyList(fields, "to", rule.to.empty());
  RefuseEmptyList(fields, "when", rule.when.empty());
  fields.RefuseOthers();
  return rule;
}

bool IsTargetKind(const PolicyTarget& target) {
  if (target.group == kGatewayGroup)
    return target.kind == "Gateway" || target.kind == "GatewayClass";
  if (target.group.empty()) return target.kind == "Service";
  return target.group == "networking.istio.io" && target.kind == "ServiceEntry";
}

PolicyTarget ReadTarget(Fields& item) {
  PolicyTarget target{item.Text("group", "", kMaxNameText), item.RequiredText("kind", 63),
                      item.RequiredText("name", kMaxNameText)};
  if (target.group == "core") target.group.clear();
  if (!item.Text("namespace").empty())
    item.Refuse("namespace", "must be empty: a policy targets its own namespace");
  item.RefuseOthers();
  if (!IsTargetKind(target)) {
    item.Refuse("kind", "\"" + PrintableText(target.kind) + "\" of group \"" +
                            PrintableText(target.group) +
                            "\" is none of Gateway, GatewayClass, Service, ServiceEntry");
  }
  return target;
}

Labels ReadSelector(Fields& selector) {
  Labels labels = selector.LabelEntries("matchLabels");
  selector.RefuseOthers();
  return labels;
}

void ReadTargets(Fields& spec, AuthorizationPolicy& policy) {
  Fields selector = spec.Object("selector");
  Fields single = spec.Object("targetRef");
  if (single.present()) policy.targets.push_back(ReadTarget(single));
  spec.ForEach("targetRefs", 16, [&](Fields& item) { policy.targets.push_back(ReadTarget(item)); });
  if (selector.present()) policy.selector = ReadSelector(selector);
  const int ways =
      (selector.present() ? 1 : 0) + (single.present() ? 1 : 0) + (spec.Has("targetRefs") ? 1 : 0);
  if (ways > 1)
    spec.Refuse("targetRefs", "only one of selector, targetRef and targetRefs may be there");
  if (spec.Has("targetRefs") && policy.targets.empty())
    spec.Refuse("targetRefs", "is an empty list");
}

bool ReadDryRun(Fields& object, const Meta& meta) {
  const std::string_view text = LabelOf(meta.annotations, "istio.io/dry-run");
  if (!text.empty() && text != "true" && text != "false") {
    object.Refuse("metadata.annotations[istio.io/dry-run]", "is neither true nor false");
  }
  return text == "true";
}

AuthorizationPolicy::Action ActionOf(std::string_view word) {
  using Action = AuthorizationPolicy::Action;
  if (word == "DENY") return Action::kDeny;
  if (word == "AUDIT") return Action::kAudit;
  return word == "CUSTOM" ? Action::kCustom : Action::kAllow;
}

PeerAuthentication::Mode ReadMode(Fields& mtls) {
  using Mode = PeerAuthentication::Mode;
  const std::string mode = mtls.Word("mode", "UNSET", {"UNSET", "DISABLE", "PERMISSIVE", "STRICT"});
  mtls.RefuseOthers();
  if (mode == "STRICT") return Mode::kStrict;
  if (mode == "PERMISSIVE") return Mode::kPermissive;
  return mode == "DISABLE" ? Mode::kDisable : Mode::kUnset;
}

}  // namespace

Object DecodeAuthorizationPolicy(Fields& object, Meta meta) {
  AuthorizationPolicy policy;
  policy.dry_run = ReadDryRun(object, meta);
  policy.meta = std::move(meta);
  Fields spec = object.Object("spec");
  policy.action = ActionOf(spec.Word("action", "ALLOW", {"ALLOW", "DENY", "AUDIT", "CUSTOM"}));
  ReadTargets(spec, policy);
  spec.ForEach("rules", kMaxRules, [&](Fields& item) { policy.rules.push_back(ReadRule(item)); });
  const bool provider = spec.Has("provider");
  spec.RefuseOthers();
  if (policy.action != AuthorizationPolicy::Action::kAllow && policy.rules.empty()) {
    spec.Refuse("rules", "is required for this action: without rules it never matches");
  }
  if (provider != (policy.action == AuthorizationPolicy::Action::kCustom)) {
    spec.Refuse("provider", provider ? "belongs to the action CUSTOM only"
                                     : "is required for the action CUSTOM");
  }
  return policy;
}

namespace {

Object ClosedAuthorization(const Json& document, Meta meta) {
  AuthorizationPolicy policy;
  policy.meta = std::move(meta);
  policy.dry_run = LabelOf(policy.meta.annotations, "istio.io/dry-run") == "true";
  std::optional<Refusal> unreadable;
  Fields again(&document, "", unreadable);
  Fields spec = again.Object("spec");
  ReadTargets(spec, policy);
  if (unreadable) {
    policy.selector.reset();
    policy.targets.clear();
  }
  policy.action = AuthorizationPolicy::Action::kDeny;
  policy.rules.emplace_back();  // a rule that asks nothing matches everything
  return policy;
}

Object ClosedAuthentication(const Json& document, Meta meta) {
  PeerAuthentication authentication;
  authentication.meta = std::move(meta);
  std::optional<Refusal> unreadable;
  Fields object(&document, "", unreadable);
  Fields spec = object.Object("spec");
  Fields selector = spec.Object("selector");
  authentication.selector = ReadSelector(selector);
  if (unreadable) authentication.selector.clear();
  authentication.mode = PeerAuthentication::Mode::kStrict;
  return authentication;
}

}  // namespace

std::optional<Object> ClosedObject(const Json& document, const DecoderRow& row) {
  const bool authorization = row.object_kind == Kind::kAuthorizationPolicy;
  if (!authorization && row.object_kind != Kind::kPeerAuthentication) return std::nullopt;
  std::optional<Refusal> unnamed;
  Fields object(&document, "", unnamed);
  Meta meta = DecodeMeta(object, ObjectScope::kNamespaced);
  if (unnamed) return std::nullopt;
  return authorization ? ClosedAuthorization(document, std::move(meta))
                       : ClosedAuthentication(document, std::move(meta));
}

Object DecodePeerAuthentication(Fields& object, Meta meta) {
  PeerAuthentication authentication;
  authentication.meta = std::move(meta);
  Fields spec = object.Object("spec");
  Fields selector = spec.Object("selector");
  authentication.selector = ReadSelector(selector);
  Fields mtls = spec.Object("mtls");
  authentication.mode = ReadMode(mtls);
  Fields ports = spec.Object("portLevelMtls");
  if (const Json* map = spec.Find("portLevelMtls"); map != nullptr && map->is_object()) {
    for (const auto& [key, value] : map->items()) {
      const auto port = ParsePort(key);
      if (!port)
        spec.Refuse("portLevelMtls", "\"" + PrintableText(key) + "\" is not a port number");
      Fields mode = ports.Object(key);
      authentication.ports[port.value_or(0)] = ReadMode(mode);
    }
  }
  spec.RefuseOthers();
  if (!authentication.ports.empty() && authentication.selector.empty()) {
    spec.Refuse("portLevelMtls", "needs a selector");
  }
  return authentication;
}

}  // namespace aquifer::control
