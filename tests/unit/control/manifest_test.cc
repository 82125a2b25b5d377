#include "control/manifest.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {

TEST_CASE("every kind of ours is read, in every version that articles use") {
  const ObjectSet objects = ObjectsOf(R"(
{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {istio.io/dataplane-mode: ambient}}}
---
{apiVersion: v1, kind: Node, metadata: {name: node-a}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: httpbin}}
---
{apiVersion: v1, kind: Pod, metadata: {name: httpbin}, spec: {containers: [{name: c}]}, status: {podIP: 10.0.0.1}}
---
{apiVersion: v1, kind: Service, metadata: {name: httpbin}, spec: {ports: [{port: 8000}]}}
---
{apiVersion: gateway.networking.k8s.io/v1alpha2, kind: GatewayClass, metadata: {name: c}, spec: {controllerName: a.io/c}}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP}]}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: http}, spec: {parentRefs: [{name: gateway}]}}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant}
spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: a}], to: [{group: "", kind: Service}]}
---
{apiVersion: security.istio.io/v1beta1, kind: AuthorizationPolicy, metadata: {name: nothing}, spec: {}}
---
{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default}, spec: {mtls: {mode: STRICT}}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: db-1}, addressType: IPv4, endpoints: [{addresses: [10.0.0.9]}]}
)");
  CHECK(objects.size() == 12);
  CHECK(FindObject(objects.services, "default", "httpbin") != nullptr);
  CHECK(FindObject(objects.namespaces, "", "default")
            ->meta.labels.at("kubernetes.io/metadata.name") == "default");
}

TEST_CASE("the items of a List are read one by one") {
  const Manifest manifest = ReadManifest("list.yaml", R"(
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
- {apiVersion: v1, kind: Namespace, metadata: {name: UPPER}}
- {apiVersion: v1, kind: Namespace, metadata: {name: b}}
)");
  CHECK(manifest.objects.size() == 2);
  REQUIRE(manifest.refusals.size() == 1);
  CHECK(manifest.refusals[0].ToString() ==
        "list.yaml, document 1 (line 1), Namespace UPPER: items[1].metadata.name: is not a valid "
        "object name");
}

TEST_CASE("JSON is read as the YAML that it is") {
  CHECK(
      ObjectsOf(R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})").size() ==
      1);
}

TEST_CASE("kinds that are not ours are named once and skipped") {
  const Manifest manifest = ReadManifest("a.yaml", R"(
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b}}
)");
  CHECK(manifest.refusals.empty());
  CHECK(manifest.skipped ==
        std::set<std::string>{"apps/v1 Deployment", "networking.istio.io/v1 VirtualService"});
}

TEST_CASE("a bad document never loses the others, and says where it is") {
  const Manifest manifest =
      ReadManifest("30-route.yaml", R"({apiVersion: v1, kind: Namespace, metadata: {name: a}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: http, namespace: web}
spec: {parentRefs: [{name: gateway}], rules: [{backendRefs: [{name: httpbin}]}]}
---
{apiVersion: v1, kind: Namespace, metadata: {name: b}}
)");
  CHECK(manifest.objects.size() == 2);
  REQUIRE(manifest.refusals.size() == 1);
  CHECK(manifest.refusals[0].ToString() ==
        "30-route.yaml, document 2 (line 2), HTTPRoute web/http: "
        "spec.rules[0].backendRefs[0].port: is required "
        "for a Service");
}

namespace {

struct BadManifest {
  const char* what;
  const char* text;
  const char* refusal;
};

std::string Of(std::string_view api_version, std::string_view kind, std::string_view spec) {
  return "{apiVersion: " + std::string(api_version) + ", kind: " + std::string(kind) +
         ", metadata: {name: x}, spec: " + std::string(spec) + "}";
}
std::string PodWith(std::string_view spec) { return Of("v1", "Pod", spec); }
std::string ServiceWith(std::string_view spec) { return Of("v1", "Service", spec); }
std::string GatewayWith(std::string_view listener) {
  return Of("gateway.networking.k8s.io/v1", "Gateway",
            "{gatewayClassName: istio, listeners: [" + std::string(listener) + "]}");
}
std::string RouteWith(std::string_view rule) {
  return Of("gateway.networking.k8s.io/v1", "HTTPRoute",
            "{parentRefs: [{name: g}], rules: [" + std::string(rule) + "]}");
}
std::string PolicyWith(std::string_view spec) {
  return Of("security.istio.io/v1", "AuthorizationPolicy", spec);
}
std::string DenyWith(std::string_view rule) {
  return PolicyWith("{action: DENY, rules: [" + std::string(rule) + "]}");
}

}  // namespace

TEST_CASE("documents that are no objects are refused") {
  const std::vector<BadManifest> cases = {
      {"text", "hello", "not a Kubernetes object"},
      {"a list", "[a, b]", "not a Kubernetes object"},
      {"broken YAML", "a: [", "line 1: end of sequence flow not found"},
      {"no apiVersion", "{kind: Pod}", "apiVersion: is required"},
      {"no kind", "{apiVersion: v1}", "kind: is required"},
      {"number as kind", "{apiVersion: v1, kind: 5}", "kind: is required"},
      {"no metadata", "{apiVersion: v1, kind: Pod}", "metadata.name: is required"},
      {"metadata is text", "{apiVersion: v1, kind: Pod, metadata: x}",
       "metadata: expected a mapping, got text"},
      {"an old version",
       "{apiVersion: gateway.networking.k8s.io/v1alpha1, kind: Gateway, metadata: {name: x}}",
       "apiVersion: \"v1alpha1\" of this kind is not read; use \"v1\""},
      {"a name with a slash", "{apiVersion: v1, kind: Pod, metadata: {name: a/b}}",
       "metadata.name: is not a valid object name"},
      {"a name that climbs", "{apiVersion: v1, kind: Pod, metadata: {name: ..}}",
       "metadata.name: is not a valid object name"},
      {"a namespace with dots", "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: a.b}}",
       "metadata.namespace: is not a valid namespace name"},
      {"a number as name", "{apiVersion: v1, kind: Pod, metadata: {name: 5}}",
       "metadata.name: expected text, got a number; put it in quotes"},
      {"a boolean label", "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {x: yes}}}",
       "metadata.labels[x]: expected text, got a boolean; put it in quotes"},
      {"a label with a blank", "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {x: a b}}}",
       "metadata.labels[x]: is not a valid label value"},
      {"a list of labels", "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: [x]}}",
       "metadata.labels: expected a mapping, got a list"},
      {"a date that is none",
       "{apiVersion: v1, kind: Pod, metadata: {name: a, creationTimestamp: today}}",
       "metadata.creationTimestamp: is not a time of the form 2006-01-02T15:04:05Z"},
      {"a List in a List", "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List}]}",
       "items[0]: a List inside a List is not read"},
  };
  for (const BadManifest& bad : cases) {
    INFO(bad.what);
    CHECK(RefusalOf(bad.text) == bad.refusal);
  }
}

TEST_CASE("bad fields of core objects are refused by name") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {PodWith("5"), "spec: expected a mapping, got a number"},
      {PodWith("{containers: {}}"), "spec.containers: expected a list, got a mapping"},
      {PodWith("{containers: [~]}"), "spec.containers[0]: is empty"},
      {PodWith("{hostNetwork: 'true'}"), "spec.hostNetwork: expected true or false, got text"},
      {PodWith("{serviceAccountName: a/../b}"),
       "spec.serviceAccountName: is not a valid object name"},
      {PodWith("{containers: [{ports: [{containerPort: 0}]}]}"),
       "spec.containers[0].ports[0].containerPort: must be from 1 to 65535"},
      {PodWith("{containers: [{ports: [{containerPort: 80, protocol: tcp}]}]}"),
       "spec.containers[0].ports[0].protocol: \"tcp\" is none of TCP, UDP, SCTP"},
      {"{apiVersion: v1, kind: Pod, metadata: {name: x}, status: {podIP: 10.0.0.256}}",
       "status.podIP: is not an IP address"},
      {"{apiVersion: v1, kind: Pod, metadata: {name: x}, status: {podIPs: [{ip: \"10.0.0.1/8\"}]}}",
       "status.podIPs[0].ip: is not an IP address"},
      {ServiceWith("{type: Cluster}"),
       "spec.type: \"Cluster\" is none of ClusterIP, NodePort, LoadBalancer, ExternalName"},
      {ServiceWith("{clusterIP: nowhere}"), "spec.clusterIP: is neither an IP address nor None"},
      {ServiceWith("{clusterIP: None, clusterIPs: [10.0.0.1]}"),
       "spec.clusterIPs: must be empty when clusterIP is None"},
      {ServiceWith("{ports: [{port: '80'}]}"),
       "spec.ports[0].port: expected a whole number, got text"},
      {ServiceWith("{ports: [{port: 80.5}]}"),
       "spec.ports[0].port: expected a whole number, got a number"},
      {ServiceWith("{ports: [{port: 99999999999999999999}]}"),
       "spec.ports[0].port: expected a whole number, got a number"},
      {ServiceWith("{ports: [{targetPort: 80}]}"), "spec.ports[0].port: is required"},
      {ServiceWith("{ports: [{port: 80}, {port: 80}]}"), "spec.ports[1].port: is there twice"},
      {ServiceWith("{ports: [{port: 80, targetPort: 70000}]}"),
       "spec.ports[0].targetPort: must be from 0 to 65535"},
      {ServiceWith("{selector: {app: 5}}"),
       "spec.selector[app]: expected text, got a number; put it in quotes"},
      {"{apiVersion: v1, kind: Service, metadata: {name: a.b}}",
       "metadata.name: is not a valid service name"},
  };
  for (const auto& [text, refusal] : cases) CHECK(RefusalOf(text) == refusal);
}

TEST_CASE("bad fields of gateways are refused by name") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {Of("gateway.networking.k8s.io/v1", "Gateway",
          "{listeners: [{name: a, port: 80, protocol: HTTP}]}"),
       "spec.gatewayClassName: is required"},
      {Of("gateway.networking.k8s.io/v1", "Gateway", "{gatewayClassName: istio}"),
       "spec.listeners: is required"},
      {GatewayWith("{name: a, port: 80}"), "spec.listeners[0].protocol: is required"},
      {GatewayWith("{name: a, port: 0, protocol: HTTP}"),
       "spec.listeners[0].port: must be from 1 to 65535"},
      {GatewayWith("{name: a, port: 80, protocol: HTTP, hostname: 10.0.0.1}"),
       "spec.listeners[0].hostname: is not a host name"},
      {GatewayWith("{name: a, port: 80, protocol: HTTP, hostnames: [a.com]}"),
       "spec.listeners[0].hostnames: is not a field of this object"},
      {GatewayWith("{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}"),
       "spec.listeners[1].name: is there twice"},
      {GatewayWith(
           "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Everywhere}}}"),
       "spec.listeners[0].allowedRoutes.namespaces.from: \"Everywhere\" is none of Same, All, "
       "Selector, None"},
      {GatewayWith(
           "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}}"),
       "spec.listeners[0].allowedRoutes.namespaces.selector: is required when from is Selector"},
      {GatewayWith("{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: "
                   "Selector, selector: "
                   "{matchExpressions: [{key: a, operator: In}]}}}}"),
       "spec.listeners[0].allowedRoutes.namespaces.selector.matchExpressions[0].values: is "
       "required for In"},
      {GatewayWith("{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: "
                   "Selector, selector: "
                   "{matchExpressions: [{key: a, operator: Has, values: [b]}]}}}}"),
       "spec.listeners[0].allowedRoutes.namespaces.selector.matchExpressions[0].operator: \"Has\" "
       "is none of In, "
       "NotIn, Exists, DoesNotExist"},
      {Of("gateway.networking.k8s.io/v1", "ReferenceGrant",
          "{from: [{kind: HTTPRoute, namespace: a}]}"),
       "spec.to: is required"},
      {Of("gateway.networking.k8s.io/v1", "GatewayClass", "{}"),
       "spec.controllerName: is required"},
  };
  for (const auto& [text, refusal] : cases) CHECK(RefusalOf(text) == refusal);
}

TEST_CASE("bad fields of routes are refused by name") {
  const std::string rule = "spec.rules[0].";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {RouteWith("~"), "spec.rules[0]: is empty"},
      {RouteWith("{match: []}"), rule + "match: is not a field of this object"},
      {RouteWith("{matches: [{path: {type: Glob, value: /a}}]}"),
       rule + "matches[0].path.type: is none of Exact, PathPrefix, RegularExpression"},
      {RouteWith("{matches: [{path: {value: a}}]}"),
       rule + "matches[0].path.value: is not an absolute path in its plain form"},
      {RouteWith("{matches: [{path: {value: /a/../b}}]}"),
       rule + "matches[0].path.value: is not an absolute path in its plain form"},
      {RouteWith("{matches: [{path: {type: RegularExpression, value: '('}}]}"),
       rule + "matches[0].path.value: is not a regular expression of RE2: missing ): ("},
      {RouteWith("{matches: [{method: get}]}"),
       rule + "matches[0].method: is not an HTTP method in capitals"},
      {RouteWith("{matches: [{headers: [{name: 'a b', value: c}]}]}"),
       rule + "matches[0].headers[0].name: is not a valid name"},
      {RouteWith("{matches: [{headers: [{name: a}]}]}"),
       rule + "matches[0].headers[0].value: is required"},
      {RouteWith("{filters: [{type: RequestHeaderModifier}]}"),
       rule + "filters[0].requestHeaderModifier: is required for type RequestHeaderModifier"},
      {RouteWith("{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, "
                 "value: \"b\\r\\nc: d\"}]}}]}"),
       rule + "filters[0].requestHeaderModifier.set[0].value: has a control character in it"},
      {RouteWith("{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: a, "
                 "value: b}, {name: A, value: c}]}}]}"),
       rule + "filters[0].requestHeaderModifier.add[1].name: is there twice"},
      {RouteWith("{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 304}}]}"),
       rule + "filters[0].requestRedirect.statusCode: is none of 301, 302, 303, 307, 308"},
      {RouteWith("{filters: [{type: RequestRedirect, requestRedirect: {scheme: ftp}}]}"),
       rule + "filters[0].requestRedirect.scheme: \"ftp\" is none of http, https"},
      {RouteWith("{filters: [{type: URLRewrite, urlRewrite: {hostname: '*.a.com'}}]}"),
       rule + "filters[0].urlRewrite.hostname: is not a host name without a wildcard"},
      {RouteWith("{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath}}}]}"),
       rule + "filters[0].urlRewrite.path.replaceFullPath: is required"},
      {RouteWith("{filters: [{type: URLRewrite, urlRewrite: {}}, {type: RequestRedirect, "
                 "requestRedirect: {}}]}"),
       rule + "filters: RequestRedirect and URLRewrite exclude each other"},
      {RouteWith("{matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, "
                 "urlRewrite: {path: {type: "
                 "ReplacePrefixMatch, replacePrefixMatch: /b}}}]}"),
       rule + "filters: ReplacePrefixMatch needs exactly one match, of type PathPrefix"},
      {RouteWith("{filters: [{type: RequestRedirect, requestRedirect: {}}], backendRefs: [{name: "
                 "a, port: 1}]}"),
       rule + "backendRefs: must be absent beside a RequestRedirect"},
      {RouteWith("{backendRefs: [{name: a, port: 1, weight: -1}]}"),
       rule + "backendRefs[0].weight: must be from 0 to 1000000"},
      {RouteWith("{timeouts: {request: 5}}"),
       rule + "timeouts.request: expected text, got a number; put it in quotes"},
      {RouteWith("{timeouts: {request: 5 s}}"),
       rule + "timeouts.request: is not a duration such as 1h30m or 500ms"},
      {RouteWith("{timeouts: {request: 1s, backendRequest: 2s}}"),
       rule + "timeouts.backendRequest: is longer than request"},
      {RouteWith("{retry: {codes: [200]}}"), rule + "retry.codes[0]: must be from 400 to 599"},
      {RouteWith("{filters: [{type: RequestMirror, requestMirror: {}}]}"),
       rule + "filters[0].requestMirror.backendRef: is required"},
      {Of("gateway.networking.k8s.io/v1", "HTTPRoute", "{hostnames: ['a.com:80']}"),
       "spec.hostnames[0]: is not a host name"},
      {Of("gateway.networking.k8s.io/v1", "HTTPRoute", "{parentRefs: [{namespace: a}]}"),
       "spec.parentRefs[0].name: is required"},
  };
  for (const auto& [text, refusal] : cases) CHECK(RefusalOf(text) == refusal);
}

TEST_CASE("a policy that is not understood in every part is refused by name") {
  const std::string rule = "spec.rules[0]";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {PolicyWith("{action: BLOCK, rules: [{}]}"),
       "spec.action: \"BLOCK\" is none of ALLOW, DENY, AUDIT, CUSTOM"},
      {PolicyWith("{action: DENY}"),
       "spec.rules: is required for this action: without rules it never matches"},
      {PolicyWith("{rule: [{}]}"), "spec.rule: is not a field of this object"},
      {DenyWith("~"), rule + ": is empty"},
      {DenyWith("{form: [{source: {namespaces: [a]}}]}"),
       rule + ".form: is not a field of this object"},
      {DenyWith("{from: []}"), rule + ".from: is an empty list"},
      {DenyWith("{from: [{}]}"), rule + ".from[0].source: is required"},
      {DenyWith("{from: [{source: {}}]}"),
       rule + ".from[0].source: names nothing, so it would match everybody"},
      {DenyWith("{from: [{source: {namespaces: []}}]}"),
       rule + ".from[0].source: names nothing, so it would match everybody"},
      {DenyWith("{from: [{source: {namespaces: ['']}}]}"),
       rule + ".from[0].source.namespaces[0]: is empty"},
      {DenyWith("{from: [{source: {namespace: a}}]}"),
       rule + ".from[0].source.namespace: is not a field of this object"},
      {DenyWith("{from: [{source: {namespaces: a}}]}"),
       rule + ".from[0].source.namespaces: expected a list, got text"},
      {DenyWith("{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}"),
       rule + ".from[0].source.ipBlocks[0]: is neither an IP address nor a prefix"},
      {DenyWith("{from: [{source: {serviceAccounts: ['a/*']}}]}"),
       rule +
           ".from[0].source.serviceAccounts[0]: is neither an account nor <namespace>/<account>"},
      {DenyWith("{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}"),
       rule + ".from[0].source: serviceAccounts cannot be combined with principals or namespaces"},
      {DenyWith("{to: [{operation: {}}]}"),
       rule + ".to[0].operation: names nothing, so it would match everything"},
      {DenyWith("{to: [{operation: {path: [/a]}}]}"),
       rule + ".to[0].operation.path: is not a field of this object"},
      {DenyWith("{to: [{operation: {ports: [80]}}]}"),
       rule + ".to[0].operation.ports[0]: expected text, got a number; put it in quotes"},
      {DenyWith("{to: [{operation: {ports: ['80-90']}}]}"),
       rule + ".to[0].operation.ports[0]: is not a port number"},
      {DenyWith("{to: [{operation: {paths: ['/a/{b}']}}]}"),
       rule + ".to[0].operation.paths[0]: is not a valid path template"},
      {DenyWith("{to: [{operation: {paths: ['/a/{**}/{*}']}}]}"),
       rule + ".to[0].operation.paths[0]: is not a valid path template"},
      {DenyWith("{to: [{operation: {paths: ['/a/{*}*']}}]}"),
       rule + ".to[0].operation.paths[0]: is not a valid path template"},
      {DenyWith("{when: [{key: request.path, values: [a]}]}"),
       rule + ".when[0].key: \"request.path\" is not a condition"},
      {DenyWith("{when: [{key: source.ip}]}"), rule + ".when[0]: needs values or notValues"},
      {DenyWith("{when: [{key: source.ip, values: [x]}]}"),
       rule + ".when[0].values[0]: is neither an IP address nor a prefix"},
      {DenyWith("{when: [{key: destination.port, values: ['0']}]}"),
       rule + ".when[0].values[0]: is not a port number"},
  };
  for (const auto& [text, refusal] : cases) CHECK(RefusalOf(text) == refusal);
}

TEST_CASE("what a policy is attached to is refused by name when it cannot be meant") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {PolicyWith("{targetRef: {kind: Gateway, name: g}}"),
       "spec.targetRef.kind: \"Gateway\" of group \"\" is none of Gateway, GatewayClass, Service, "
       "ServiceEntry"},
      {PolicyWith("{targetRef: {kind: Service, name: g, namespace: other}}"),
       "spec.targetRef.namespace: must be empty: a policy targets its own namespace"},
      {PolicyWith("{targetRefs: []}"), "spec.targetRefs: is an empty list"},
      {PolicyWith("{targetRef: {kind: Service, name: a}, selector: {matchLabels: {a: b}}}"),
       "spec.targetRefs: only one of selector, targetRef and targetRefs may be there"},
      {PolicyWith("{selector: {matchLabels: {a: 'b*'}}}"),
       "spec.selector.matchLabels[a]: is not a valid label value"},
      {PolicyWith("{selector: {a: b}}"), "spec.selector.a: is not a field of this object"},
      {PolicyWith("{action: CUSTOM, rules: [{}]}"),
       "spec.provider: is required for the action CUSTOM"},
      {PolicyWith("{provider: {name: a}}"), "spec.provider: belongs to the action CUSTOM only"},
      {"{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: x, "
       "annotations: "
       "{istio.io/dry-run: 'maybe'}}}",
       "metadata.annotations[istio.io/dry-run]: is neither true nor false"},
      {Of("security.istio.io/v1", "PeerAuthentication", "{mtls: {mode: strict}}"),
       "spec.mtls.mode: \"strict\" is none of UNSET, DISABLE, PERMISSIVE, STRICT"},
      {Of("security.istio.io/v1", "PeerAuthentication", "{portLevelMtls: {80: {mode: STRICT}}}"),
       "spec.portLevelMtls: needs a selector"},
      {Of("security.istio.io/v1", "PeerAuthentication",
          "{selector: {matchLabels: {a: b}}, portLevelMtls: {http: {mode: STRICT}}}"),
       "spec.portLevelMtls: \"http\" is not a port number"},
  };
  for (const auto& [text, refusal] : cases) CHECK(RefusalOf(text) == refusal);
}

TEST_CASE("path templates of the API are let through") {
  for (const char* path :
       {"/a", "/a*", "*a", "*", "/{*}", "/a/{**}", "/{**}/cart", "/foo/{*}/bar/{**}"}) {
    CHECK(RefusalOf(DenyWith("{to: [{operation: {paths: ['" + std::string(path) + "']}}]}")) == "");
  }
}

TEST_CASE("lists, texts and mappings are bounded") {
  std::string rules, text(5000, 'a'), labels;
  for (int i = 0; i < 65; ++i) rules += (i == 0 ? "" : ", ") + std::string("{}");
  for (int i = 0; i < 300; ++i) labels += (i == 0 ? "l" : ", l") + std::to_string(i) + ": a";
  CHECK(RefusalOf(RouteWith(rules)) == "spec.rules: more than 64 items");
  CHECK(RefusalOf(DenyWith("{to: [{operation: {paths: [/" + text + "]}}]}")) ==
        "spec.rules[0].to[0].operation.paths[0]: longer than 4096 bytes");
  CHECK(RefusalOf("{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {" + labels + "}}}") ==
        "metadata.labels: more than 256 entries");
}

TEST_CASE("the old name of the account's field counts where the new one says nothing") {
  const auto account = [](const std::string& spec) {
    return ObjectOf<Pod>(PodWith(spec)).service_account;
  };
  CHECK(account("{serviceAccount: old}") == "old");
  CHECK(account("{serviceAccountName: '', serviceAccount: old}") == "old");
  CHECK(account("{serviceAccountName: new, serviceAccount: old}") == "new");
  CHECK(account("{serviceAccountName: ''}") == "default");
  CHECK(account("{serviceAccountName: ~, serviceAccount: ~}") == "default");
}

TEST_CASE("a pod's ports are those of containers and of init containers that stay") {
  const Pod pod = ObjectOf<Pod>(R"(
apiVersion: v1
kind: Pod
metadata: {name: a, deletionTimestamp: "2024-05-31T09:24:56Z", ownerReferences: [{kind: ReplicaSet, name: a-5, controller: true}]}
spec:
  serviceAccountName: httpbin
  nodeName: node-a
  containers: [{name: c, ports: [{name: http, containerPort: 80}]}]
  initContainers:
  - {name: once, ports: [{containerPort: 81}]}
  - {name: sidecar, restartPolicy: Always, ports: [{name: dns, containerPort: 53, protocol: UDP}]}
status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}], conditions: [{type: Ready, status: "False"}]}
)");
  REQUIRE(pod.ports.size() == 2);
  CHECK(pod.ports[0].name == "http");
  CHECK_FALSE(pod.ports[1].tcp);
  CHECK(pod.ips.size() == 2);
  CHECK(pod.service_account == "httpbin");
  CHECK(pod.controller_name == "a-5");
  CHECK(pod.meta.deleting);
  CHECK(pod.ready == false);
}

TEST_CASE("a service's target port is its port unless it says otherwise") {
  const Service service = ObjectOf<Service>(R"(
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, "fd00::1"], ports: [{name: a, port: 80}, {name: b, port: 81, targetPort: 8081}, {name: c, port: 82, targetPort: web}]}
)");
  CHECK(service.cluster_ips.size() == 2);
  CHECK(service.ports[0].target_port == 80);
  CHECK(service.ports[1].target_port == 8081);
  CHECK(service.ports[2].target_name == "web");
}

TEST_CASE("annotations that nobody reads may hold anything") {
  const std::string text =
      "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    kubectl: |\n      "
      "{\"a\":\n    }\n";
  CHECK(RefusalOf("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    "
                  "kubectl.kubernetes.io/last: |\n      {\n") == "");
  CHECK_FALSE(RefusalOf(text).empty());
}

}  // namespace aquifer::control
