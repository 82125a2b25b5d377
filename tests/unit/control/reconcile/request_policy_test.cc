#include "control/reconcile/request_policy.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

// A waypoint "way" in namespace web that serves Service app, another one in other, and an ingress
// Gateway "gw" in namespace edge.
const char* const kMesh = R"(
{apiVersion: v1, kind: Service, metadata: {name: app, namespace: web, labels: {istio.io/use-waypoint: way}}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: plain, namespace: web}, spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: way, namespace: web}, spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: way, namespace: other}, spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: way-1, namespace: web, labels: {gateway.networking.k8s.io/gateway-name: way}}, status: {podIP: 10.0.0.9}}
---
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: outside, namespace: web, labels: {istio.io/use-waypoint: way}}, spec: {hosts: [a.example.com, b.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}}
---
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: direct, namespace: web}, spec: {hosts: [c.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}}
---
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: late, namespace: web, creationTimestamp: "2026-01-01T00:00:00Z", labels: {istio.io/use-waypoint: way}}, spec: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: gw, namespace: edge}, spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: gw-1, namespace: edge, labels: {gateway.networking.k8s.io/gateway-name: gw, istio: ingress}}, status: {podIP: 10.0.0.8}}
---
)";

Mesh With(std::string_view space, std::string_view spec) {
  return Mesh(std::string(kMesh) +
              "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, "
              "namespace: " +
              std::string(space) + "}, spec: {" + std::string(spec) + "}}\n");
}

std::string Gateways(const Mesh& mesh, const std::string& policy) {
  const Resource* resource = mesh.ResourceOf(ResourceType::kAuthorizationPolicy, policy);
  if (resource == nullptr) return "none";
  std::string text;
  for (const std::string& gateway : resource->gateways) text += (text.empty() ? "" : " ") + gateway;
  return text;
}

std::string Accepted(const Mesh& mesh, const std::string& policy) {
  return mesh.ConditionOf(Kind::kAuthorizationPolicy, policy, "WaypointAccepted");
}

std::string Target(std::string_view kind, std::string_view name) {
  const std::string group = kind == "Service"        ? "''"
                            : kind == "ServiceEntry" ? "networking.istio.io"
                                                     : "gateway.networking.k8s.io";
  return "targetRefs: [{group: " + group + ", kind: " + std::string(kind) +
         ", name: " + std::string(name) + "}]";
}

}  // namespace

TEST_CASE("a policy that targets a Gateway goes to that Gateway") {
  const Mesh mesh = With("web", Target("Gateway", "way"));
  CHECK(Gateways(mesh, "web/p") == "web/way");
  CHECK(Accepted(mesh, "web/p") == "True Accepted");
  const auto policy = mesh.RequestPolicyOf("web/p");
  REQUIRE(policy->target_refs_size() == 1);
  CHECK(policy->target_refs(0).kind() == mesh::v1::POLICY_TARGET_KIND_GATEWAY);
  CHECK(policy->target_refs(0).namespace_() == "web");
  CHECK(policy->target_refs(0).name() == "way");
  CHECK_FALSE(mesh.PolicyOf("web/p").has_value());
}

TEST_CASE("the singular targetRef counts, too") {
  CHECK(Gateways(
            With("web", "targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: way}"),
            "web/p") == "web/way");
}

TEST_CASE("a policy reaches a Gateway from its own namespace only") {
  const Mesh mesh = With("istio-system", Target("Gateway", "way"));
  CHECK(Gateways(mesh, "istio-system/p") == "none");
  CHECK(Accepted(mesh, "istio-system/p") == "False TargetNotFound");
}

TEST_CASE("a policy that targets a Service goes to the waypoint that serves it") {
  const Mesh mesh = With("web", Target("Service", "app"));
  CHECK(Gateways(mesh, "web/p") == "web/way");
  CHECK(mesh.RequestPolicyOf("web/p")->target_refs(0).kind() ==
        mesh::v1::POLICY_TARGET_KIND_SERVICE);
  CHECK(mesh.RequestPolicyOf("web/p")->target_refs(0).name() == "app.web.svc.cluster.local");
  CHECK(Accepted(With("web", Target("Service", "plain")), "web/p") == "False AncestorNotBound");
  CHECK(Accepted(With("web", Target("Service", "missing")), "web/p") == "False TargetNotFound");
  CHECK(Accepted(With("web", Target("ServiceEntry", "x")), "web/p") == "False TargetNotFound");
}

TEST_CASE(
    "a policy that targets a ServiceEntry holds at the waypoint of it, for each of its hosts") {
  const Mesh mesh = With("web", Target("ServiceEntry", "outside"));
  CHECK(Gateways(mesh, "web/p") == "web/way");
  CHECK(Accepted(mesh, "web/p") == "True Accepted");
  const auto policy = mesh.RequestPolicyOf("web/p");
  REQUIRE(policy.has_value());
  REQUIRE(policy->target_refs_size() == 2);
  for (int i = 0; i < 2; ++i) {
    CHECK(policy->target_refs(i).kind() == mesh::v1::POLICY_TARGET_KIND_SERVICE_ENTRY);
    CHECK(policy->target_refs(i).namespace_() == "web");
  }
  CHECK(policy->target_refs(0).name() == "a.example.com");
  CHECK(policy->target_refs(1).name() == "b.example.com");
}

TEST_CASE("a policy on a ServiceEntry says so where nothing enforces it") {
  CHECK(Accepted(With("web", Target("ServiceEntry", "direct")), "web/p") ==
        "False AncestorNotBound");
  CHECK(Accepted(With("web", Target("ServiceEntry", "late")), "web/p") == "False AncestorNotBound");
  const Mesh elsewhere = With("other", Target("ServiceEntry", "outside"));
  CHECK(Accepted(elsewhere, "other/p") == "False TargetNotFound");
  CHECK(Gateways(elsewhere, "other/p") == "none");
}

TEST_CASE("a policy of the root namespace may target a class, and reaches every waypoint of it") {
  CHECK(Gateways(With("istio-system", Target("GatewayClass", "istio-waypoint")),
                 "istio-system/p") == "other/way web/way");
  CHECK(Accepted(With("web", Target("GatewayClass", "istio-waypoint")), "web/p") ==
        "False Invalid");
  CHECK(Accepted(With("istio-system", Target("GatewayClass", "missing")), "istio-system/p") ==
        "False AncestorNotBound");
}

TEST_CASE("some bad targets leave the good ones in force") {
  const Mesh mesh = With("web",
                         "targetRefs: [{group: '', kind: Service, name: app}, {group: '', kind: "
                         "Service, name: missing}]");
  CHECK(Accepted(mesh, "web/p") == "True PartiallyInvalid");
  CHECK(mesh.RequestPolicyOf("web/p")->target_refs_size() == 1);
}

TEST_CASE("policies without targets do nothing at a waypoint and hold at an ingress gateway") {
  CHECK(Gateways(With("web", "rules: [{}]"), "web/p") == "none");
  const Mesh own = With("edge", "rules: [{}]");
  CHECK(Gateways(own, "edge/p") == "edge/gw");
  CHECK(own.RequestPolicyOf("edge/p")->target_refs(0).kind() ==
        mesh::v1::POLICY_TARGET_KIND_GATEWAY);
  CHECK(own.PolicyOf("edge/p").has_value());
  CHECK(Gateways(With("istio-system", "rules: [{}]"), "istio-system/p") == "edge/gw");
  CHECK(Gateways(With("edge", "selector: {matchLabels: {istio: ingress}}"), "edge/p") == "edge/gw");
  CHECK(Gateways(With("edge", "selector: {matchLabels: {istio: other}}"), "edge/p") == "none");
}

TEST_CASE("the rules travel unchanged") {
  const Mesh mesh = With("web", Target("Gateway", "way") + R"(, action: DENY, rules: [{
    from: [{source: {principals: ['*'], notRequestPrincipals: [a], remoteIpBlocks: [10.0.0.0/8], trustDomains: [td]}}],
    to: [{operation: {hosts: ['*.a'], ports: ['80'], methods: [GET], paths: [/status/418, '/{*}'], notPaths: [/x*]}}],
    when: [{key: 'request.headers[x]', values: [a], notValues: [b]}]}])");
  const auto policy = mesh.RequestPolicyOf("web/p");
  REQUIRE(policy.has_value());
  CHECK(policy->action() == mesh::v1::AUTHORIZATION_ACTION_DENY);
  const auto& rule = policy->rules(0);
  CHECK(rule.from(0).principals(0) == "*");
  CHECK(rule.from(0).not_request_principals(0) == "a");
  CHECK(rule.from(0).remote_ip_blocks(0) == "10.0.0.0/8");
  CHECK(rule.from(0).trust_domains(0) == "td");
  CHECK(rule.to(0).hosts(0) == "*.a");
  CHECK(rule.to(0).ports(0) == "80");
  CHECK(rule.to(0).methods(0) == "GET");
  CHECK(rule.to(0).paths_size() == 2);
  CHECK(rule.to(0).not_paths(0) == "/x*");
  CHECK(rule.when(0).key() == "request.headers[x]");
  CHECK(rule.when(0).not_values(0) == "b");
}

}  // namespace aquifer::control
