#include "control/reconcile/connection_policy.h"

#include <array>
#include <utility>

#include "core/base/address.h"
#include "core/base/check.h"

namespace aquifer::control {
namespace {

namespace pb = istio::security;
using Texts = std::vector<std::string>;
using Strings = google::protobuf::RepeatedPtrField<pb::StringMatch>;
using Prefixes = google::protobuf::RepeatedPtrField<pb::Address>;
using Numbers = google::protobuf::RepeatedField<std::uint32_t>;
using Accounts = google::protobuf::RepeatedPtrField<pb::ServiceAccountMatch>;

void AddStrings(const Texts& values, Strings* out) {
  for (const std::string& value : values) {
    pb::StringMatch* match = out->Add();
    if (value == "*") {
      match->mutable_presence();
    } else if (value.starts_with('*')) {
      match->set_suffix(value.substr(1));
    } else if (value.ends_with('*')) {
      match->set_prefix(value.substr(0, value.size() - 1));
    } else {
      match->set_exact(value);
    }
  }
}

// The decoder has let only prefixes, ports and account forms through.
void AddPrefixes(const Texts& values, Prefixes* out) {
  for (const std::string& value : values) {
    const auto cidr = Cidr::Parse(value);
    AQ_CHECK(cidr.has_value());
    pb::Address* address = out->Add();
    address->set_address(cidr->ip().ByteString());
    address->set_length(cidr->length());
  }
}

void AddPorts(const Texts& values, Numbers* out) {
  for (const std::string& value : values) {
    const auto port = ParsePort(value);
    AQ_CHECK(port.has_value());
    out->Add(*port);
  }
}

void AddAccounts(const Texts& values, std::string_view own_namespace, Accounts* out) {
  for (const std::string& value : values) {
    const size_t slash = value.find('/');
    pb::ServiceAccountMatch* match = out->Add();
    match->set_namespace_(slash == std::string::npos ? std::string(own_namespace)
                                                     : value.substr(0, slash));
    match->set_service_account(slash == std::string::npos ? value : value.substr(slash + 1));
  }
}

// A trust domain is how a principal starts, so an exact one can be said as a prefix of it. Suffixes
// cannot, nor can domains beside principals, since a match has one list for both.
bool DomainsFit(const Texts& domains, const Texts& principals) {
  if (domains.empty()) return true;
  if (!principals.empty()) return false;
  for (const std::string& domain : domains) {
    if (domain != "*" && domain.starts_with('*')) return false;
  }
  return true;
}

void AddDomains(const Texts& domains, Strings* out) {
  for (const std::string& domain : domains) {
    pb::StringMatch* match = out->Add();
    if (domain == "*") {
      match->mutable_presence();
    } else {
      match->set_prefix(domain.ends_with('*') ? domain.substr(0, domain.size() - 1) : domain + "/");
    }
  }
}

class Converter {
 public:
  Converter(const AuthorizationPolicy& policy, ConnectionPolicy& result)
      : policy_(policy), result_(result) {}

  void Run() {
    for (size_t i = 0; i < policy_.rules.size(); ++i) {
      path_ = "spec.rules[" + std::to_string(i) + "]";
      pb::Rule rule;
      if (!Convert(policy_.rules[i], rule)) continue;
      *result_.message.add_rules() = std::move(rule);
      result_.origins.push_back(i);
    }
  }

 private:
  bool allows() const { return policy_.action == AuthorizationPolicy::Action::kAllow; }

  // Notes what is lost; true if the rule can go on without it.
  bool Lose(const std::string& field) {
    result_.dropped.push_back(path_ + "." + field);
    return !allows();
  }

  bool Convert(const PolicyRule& rule, pb::Rule& out) {
    pb::Clause to, from;
    for (size_t i = 0; i < rule.to.size(); ++i) {
      if (!Convert(rule.to[i], "to[" + std::to_string(i) + "].operation", *to.add_matches()))
        return false;
    }
    for (size_t i = 0; i < rule.from.size(); ++i) {
      if (!Convert(rule.from[i], "from[" + std::to_string(i) + "].source", *from.add_matches()))
        return false;
    }
    if (!rule.to.empty()) *out.add_clauses() = std::move(to);
    if (!rule.from.empty()) *out.add_clauses() = std::move(from);
    for (size_t i = 0; i < rule.when.size(); ++i) {
      if (!Convert(rule.when[i], "when[" + std::to_string(i) + "]",
                   *out.add_clauses()->add_matches()))
        return false;
    }
    return true;
  }

  bool Convert(const PolicyOperation& operation, const std::string& path, pb::Match& match) {
    const std::array<std::pair<const Texts*, const char*>, 6> lost = {
        {{&operation.hosts, "hosts"},
         {&operation.not_hosts, "notHosts"},
         {&operation.methods, "methods"},
         {&operation.not_methods, "notMethods"},
         {&operation.paths, "paths"},
         {&operation.not_paths, "notPaths"}}};
    for (const auto& [values, field] : lost) {
      if (!values->empty() && !Lose(path + "." + field)) return false;
    }
    AddPorts(operation.ports, match.mutable_destination_ports());
    AddPorts(operation.not_ports, match.mutable_not_destination_ports());
    return true;
  }

  bool LoseSource(const PolicySource& source, const std::string& path) {
    const bool domains = DomainsFit(source.trust_domains, source.principals);
    const bool not_domains = DomainsFit(source.not_trust_domains, source.not_principals);
    const std::array<std::pair<bool, const char*>, 6> lost = {
        {{!source.request_principals.empty(), "requestPrincipals"},
         {!source.not_request_principals.empty(), "notRequestPrincipals"},
         {!source.remote_ip_blocks.empty(), "remoteIpBlocks"},
         {!source.not_remote_ip_blocks.empty(), "notRemoteIpBlocks"},
         {!domains, "trustDomains"},
         {!not_domains, "notTrustDomains"}}};
    for (const auto& [is_lost, field] : lost) {
      if (is_lost && !Lose(path + "." + field)) return false;
    }
    return true;
  }

  bool Convert(const PolicySource& source, const std::string& path, pb::Match& match) {
    if (!LoseSource(source, path)) return false;
    AddStrings(source.principals, match.mutable_principals());
    AddStrings(source.not_principals, match.mutable_not_principals());
    AddStrings(source.namespaces, match.mutable_namespaces());
    AddStrings(source.not_namespaces, match.mutable_not_namespaces());
    AddPrefixes(source.ip_blocks, match.mutable_source_ips());
    AddPrefixes(source.not_ip_blocks, match.mutable_not_source_ips());
    AddAccounts(source.service_accounts, policy_.meta.namespace_name,
                match.mutable_service_accounts());
    AddAccounts(source.not_service_accounts, policy_.meta.namespace_name,
                match.mutable_not_service_accounts());
    if (DomainsFit(source.trust_domains, source.principals)) {
      AddDomains(source.trust_domains, match.mutable_principals());
    }
    if (DomainsFit(source.not_trust_domains, source.not_principals)) {
      AddDomains(source.not_trust_domains, match.mutable_not_principals());
    }
    return true;
  }

  bool Convert(const PolicyCondition& condition, const std::string& path, pb::Match& match) {
    if (condition.key == "source.ip") {
      AddPrefixes(condition.values, match.mutable_source_ips());
      AddPrefixes(condition.not_values, match.mutable_not_source_ips());
    } else if (condition.key == "destination.ip") {
      AddPrefixes(condition.values, match.mutable_destination_ips());
      AddPrefixes(condition.not_values, match.mutable_not_destination_ips());
    } else if (condition.key == "source.namespace") {
      AddStrings(condition.values, match.mutable_namespaces());
      AddStrings(condition.not_values, match.mutable_not_namespaces());
    } else if (condition.key == "source.principal") {
      AddStrings(condition.values, match.mutable_principals());
      AddStrings(condition.not_values, match.mutable_not_principals());
    } else if (condition.key == "destination.port") {
      AddPorts(condition.values, match.mutable_destination_ports());
      AddPorts(condition.not_values, match.mutable_not_destination_ports());
    } else {
      return Lose(path + " (" + condition.key + ")");
    }
    return true;
  }

  const AuthorizationPolicy& policy_;
  ConnectionPolicy& result_;
  std::string path_;
};

pb::Scope ScopeOf(const AuthorizationPolicy& policy, const MeshSettings& settings) {
  if (policy.selector && !policy.selector->empty()) return pb::WORKLOAD_SELECTOR;
  return policy.meta.namespace_name == settings.root_namespace ? pb::GLOBAL : pb::NAMESPACE;
}

}  // namespace

std::optional<ConnectionPolicy> ToConnectionPolicy(const AuthorizationPolicy& policy,
                                                   const MeshSettings& settings) {
  using Action = AuthorizationPolicy::Action;
  if (!policy.targets.empty() || policy.dry_run) return std::nullopt;
  if (policy.action != Action::kAllow && policy.action != Action::kDeny) return std::nullopt;
  ConnectionPolicy result;
  result.message.set_name(policy.meta.name);
  result.message.set_namespace_(policy.meta.namespace_name);
  result.message.set_scope(ScopeOf(policy, settings));
  result.message.set_action(policy.action == Action::kDeny ? pb::DENY : pb::ALLOW);
  Converter(policy, result).Run();
  return result;
}

}  // namespace aquifer::control
