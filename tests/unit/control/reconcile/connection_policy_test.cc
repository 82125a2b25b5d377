#include "control/reconcile/connection_policy.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

namespace pb = istio::security;

AuthorizationPolicy PolicyFrom(std::string_view spec,
                               std::string_view metadata = "namespace: web") {
  return ObjectOf<AuthorizationPolicy>(
      "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, " +
      std::string(metadata) + "}, spec: " + std::string(spec) + "}");
}

ConnectionPolicy Convert(std::string_view spec, std::string_view metadata = "namespace: web") {
  auto converted = ToConnectionPolicy(PolicyFrom(spec, metadata), {});
  REQUIRE(converted.has_value());
  return *std::move(converted);
}

// One match of one clause of one rule.
pb::Match MatchOf(std::string_view rule) {
  const ConnectionPolicy policy = Convert("{rules: [" + std::string(rule) + "]}");
  REQUIRE(policy.message.rules_size() == 1);
  REQUIRE(policy.message.rules(0).clauses_size() == 1);
  return policy.message.rules(0).clauses(0).matches(0);
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("the scope follows selector and namespace") {
  CHECK(Convert("{}").message.scope() == pb::NAMESPACE);
  CHECK(Convert("{}", "namespace: istio-system").message.scope() == pb::GLOBAL);
  CHECK(Convert("{selector: {matchLabels: {a: b}}}").message.scope() == pb::WORKLOAD_SELECTOR);
  CHECK(Convert("{selector: {matchLabels: {a: b}}}", "namespace: istio-system").message.scope() ==
        pb::WORKLOAD_SELECTOR);
  CHECK(Convert("{selector: {}}").message.scope() == pb::NAMESPACE);
}

TEST_CASE("an allow-nothing policy has no rules and an allow-all one empty rule") {
  CHECK(Convert("{}").message.action() == pb::ALLOW);
  CHECK(Convert("{}").message.rules_size() == 0);
  const ConnectionPolicy all = Convert("{rules: [{}]}");
  REQUIRE(all.message.rules_size() == 1);
  CHECK(all.message.rules(0).clauses_size() == 0);
}

TEST_CASE("each rule that is left says which one of the spec it is") {
  const ConnectionPolicy policy = Convert(
      "{rules: [{to: [{operation: {paths: [/a]}}]}, {from: [{source: {namespaces: [a]}}]}, {}]}");
  CHECK(policy.message.rules_size() == 2);
  CHECK(policy.origins == std::vector<size_t>{1, 2});
}

TEST_CASE("policies that node proxies cannot enforce are not sent") {
  CHECK_FALSE(
      ToConnectionPolicy(PolicyFrom("{targetRef: {kind: Service, name: s}}"), {}).has_value());
  CHECK_FALSE(ToConnectionPolicy(PolicyFrom("{action: AUDIT, rules: [{}]}"), {}).has_value());
  CHECK_FALSE(
      ToConnectionPolicy(PolicyFrom("{action: CUSTOM, provider: {name: a}, rules: [{}]}"), {})
          .has_value());
  CHECK_FALSE(ToConnectionPolicy(PolicyFrom("{}", "annotations: {istio.io/dry-run: 'true'}"), {})
                  .has_value());
}

TEST_CASE("the four forms of a string") {
  const pb::Match match =
      MatchOf("{from: [{source: {principals: ['*', '*x', 'x*', 'x', 'a*b']}}]}");
  REQUIRE(match.principals_size() == 5);
  CHECK(match.principals(0).has_presence());
  CHECK(match.principals(1).suffix() == "x");
  CHECK(match.principals(2).prefix() == "x");
  CHECK(match.principals(3).exact() == "x");
  CHECK(match.principals(4).exact() == "a*b");
}

TEST_CASE("every field of a source that node proxies know") {
  const pb::Match match = MatchOf(
      "{from: [{source: {principals: [a], notPrincipals: [b], namespaces: [c], notNamespaces: [d], "
      "ipBlocks: [10.1.2.3/8], "
      "notIpBlocks: ['fd00::/8', 10.0.0.1]}}]}");
  CHECK(match.principals(0).exact() == "a");
  CHECK(match.not_principals(0).exact() == "b");
  CHECK(match.namespaces(0).exact() == "c");
  CHECK(match.not_namespaces(0).exact() == "d");
  CHECK(match.source_ips(0).address() == std::string("\x0a\0\0\0", 4));
  CHECK(match.source_ips(0).length() == 8);
  CHECK(match.not_source_ips(0).address().size() == 16);
  CHECK(match.not_source_ips(1).length() == 32);
}

TEST_CASE("a bare service account is one of the policy's namespace") {
  const pb::Match match =
      MatchOf("{from: [{source: {serviceAccounts: [sa, other/sb], notServiceAccounts: [sc]}}]}");
  CHECK(match.service_accounts(0).namespace_() == "web");
  CHECK(match.service_accounts(0).service_account() == "sa");
  CHECK(match.service_accounts(1).namespace_() == "other");
  CHECK(match.not_service_accounts(0).service_account() == "sc");
}

TEST_CASE("a trust domain is the start of a principal") {
  const pb::Match match =
      MatchOf("{from: [{source: {trustDomains: [td, 'x*', '*'], notTrustDomains: [old]}}]}");
  CHECK(match.principals(0).prefix() == "td/");
  CHECK(match.principals(1).prefix() == "x");
  CHECK(match.principals(2).has_presence());
  CHECK(match.not_principals(0).prefix() == "old/");
}

TEST_CASE("a trust domain that cannot be said so takes the rule of an ALLOW with it") {
  for (const char* source : {"trustDomains: ['*td']", "trustDomains: [td], principals: [a]"}) {
    const ConnectionPolicy policy =
        Convert("{rules: [{from: [{source: {" + std::string(source) + "}}]}]}");
    CHECK(policy.message.rules_size() == 0);
    CHECK(policy.dropped == Texts{"spec.rules[0].from[0].source.trustDomains"});
  }
}

TEST_CASE("all operations are one clause, all sources another, each condition its own") {
  const ConnectionPolicy policy = Convert(
      "{action: DENY, rules: [{from: [{source: {namespaces: [a]}}, {source: {namespaces: [b]}}], "
      "to: [{operation: {ports: "
      "['80'], notPorts: ['81']}}], when: [{key: source.ip, values: [10.0.0.1]}, {key: "
      "destination.port, notValues: ['82']}]}]}");
  CHECK(policy.message.action() == pb::DENY);
  REQUIRE(policy.message.rules(0).clauses_size() == 4);
  CHECK(policy.message.rules(0).clauses(0).matches(0).destination_ports(0) == 80);
  CHECK(policy.message.rules(0).clauses(0).matches(0).not_destination_ports(0) == 81);
  CHECK(policy.message.rules(0).clauses(1).matches_size() == 2);
  CHECK(policy.message.rules(0).clauses(2).matches(0).source_ips_size() == 1);
  CHECK(policy.message.rules(0).clauses(3).matches(0).not_destination_ports(0) == 82);
}

TEST_CASE("the conditions that node proxies know") {
  CHECK(MatchOf("{when: [{key: source.namespace, values: [a]}]}").namespaces(0).exact() == "a");
  CHECK(MatchOf("{when: [{key: source.principal, notValues: [a]}]}").not_principals(0).exact() ==
        "a");
  CHECK(MatchOf("{when: [{key: destination.ip, values: [10.0.0.0/8]}]}")
            .destination_ips(0)
            .length() == 8);
}

TEST_CASE("an ALLOW loses each rule that speaks of HTTP, and so allows less") {
  const char* rules[] = {
      "{to: [{operation: {ports: ['80'], paths: [/a]}}]}",
      "{to: [{operation: {methods: [GET]}}]}",
      "{to: [{operation: {hosts: [a]}}]}",
      "{to: [{operation: {notHosts: [a]}}]}",
      "{from: [{source: {namespaces: [a], requestPrincipals: ['*']}}]}",
      "{from: [{source: {remoteIpBlocks: [10.0.0.0/8]}}]}",
      "{from: [{source: {namespaces: [a]}}], when: [{key: 'request.headers[x]', values: [y]}]}",
      "{when: [{key: source.serviceAccount, values: [a]}]}",
  };
  for (const char* rule : rules) {
    INFO(rule);
    const ConnectionPolicy policy =
        Convert("{rules: [{from: [{source: {namespaces: [kept]}}]}, " + std::string(rule) + "]}");
    CHECK(policy.message.rules_size() == 1);
    CHECK(policy.dropped.size() == 1);
  }
}

TEST_CASE("a DENY loses the part that speaks of HTTP, and what is left empty never matches") {
  const ConnectionPolicy policy = Convert(
      "{action: DENY, rules: [{from: [{source: {namespaces: [a]}}], to: [{operation: {paths: "
      "[/a]}}]}, {to: [{operation: {ports: "
      "['80'], methods: [GET]}}]}]}");
  REQUIRE(policy.message.rules_size() == 2);
  CHECK(policy.message.rules(0).clauses(0).matches(0).ByteSizeLong() == 0);
  CHECK(policy.message.rules(1).clauses(0).matches(0).destination_ports(0) == 80);
  CHECK(policy.dropped ==
        Texts{"spec.rules[0].to[0].operation.paths", "spec.rules[1].to[0].operation.methods"});
}

TEST_CASE("a selector policy is named by the workloads it selects, the root's in every namespace") {
  const Mesh mesh(R"(
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: web, labels: {app: x}}, status: {podIP: 10.0.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: web}, status: {podIP: 10.0.0.2}}
---
{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: own, namespace: web}, spec: {selector: {matchLabels: {app: x}}}}
---
{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: all, namespace: istio-system}, spec: {selector: {matchLabels: {app: x}}}}
---
{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: foreign, namespace: other}, spec: {selector: {matchLabels: {app: x}}}}
---
{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: whole, namespace: web}, spec: {}}
)");
  const auto policies = mesh.WorkloadOf("web/a")->authorization_policies();
  CHECK(Texts(policies.begin(), policies.end()) == Texts{"istio-system/all", "web/own"});
  CHECK(mesh.WorkloadOf("web/b")->authorization_policies().empty());
  CHECK(mesh.PolicyOf("web/whole").has_value());
  CHECK(mesh.ConditionOf(Kind::kAuthorizationPolicy, "web/own", "ZtunnelAccepted") ==
        "True Accepted");
}

TEST_CASE("a policy that lost something says what") {
  const Mesh mesh(
      "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p}, spec: "
      "{rules: [{to: [{operation: {paths: "
      "[/a]}}]}]}}");
  const Condition* condition = FindCondition(
      mesh.StatusOf(Kind::kAuthorizationPolicy, "default/p")->conditions, "ZtunnelAccepted");
  REQUIRE(condition != nullptr);
  CHECK_FALSE(condition->status);
  CHECK(condition->message.ends_with("spec.rules[0].to[0].operation.paths"));
}

}  // namespace aquifer::control
