#include "cli/convert/convert.h"

#include <algorithm>

#include "kube/yaml.h"
#include "tests/support/catch.h"

namespace aquifer::cli {
namespace {

std::vector<OrderedJson> Read(std::string_view text) {
  std::vector<OrderedJson> objects;
  for (kube::OrderedYamlDocument& document : kube::ReadOrderedYaml(text, {})) {
    REQUIRE(document.value.ok());
    objects.push_back(*std::move(document.value));
  }
  return objects;
}

std::string Write(const std::vector<OrderedJson>& objects) {
  std::string text;
  for (const OrderedJson& object : objects)
    text += (text.empty() ? "" : "---\n") + kube::WriteYaml(object);
  return text;
}

struct Told {
  std::string text;
  std::vector<std::string> done;
  std::vector<std::string> failed;
};

// Whatever is converted a second time stays what it is.
Told Run(std::string_view text, const ConvertOptions& options = {}) {
  Conversion conversion = Convert(Read(text), options);
  Told told{Write(conversion.objects), conversion.done, conversion.failed};
  if (told.failed.empty()) {
    const Conversion again = Convert(conversion.objects, options);
    CHECK(Write(again.objects) == told.text);
    CHECK(again.done.empty());
  }
  return told;
}

bool Has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

const std::string kOldRoute =
    "apiVersion: networking.x-k8s.io/v1alpha1\n"
    "kind: HTTPRoute\n"
    "metadata:\n  name: shop\n  namespace: web\n  labels: {team: red}\n"
    "spec:\n"
    "  hostnames: [shop.test]\n"
    "  rules:\n"
    "  - matches:\n"
    "    - path: {type: Prefix, value: /a}\n"
    "      headers: {type: Exact, values: {tier: gold}}\n"
    "    forwardTo:\n"
    "    - {serviceName: one, port: 80, weight: 3}\n"
    "    - {serviceName: two, port: 80, weight: 1}\n";

std::string OldGateway(const std::string& routes) {
  return "apiVersion: networking.x-k8s.io/v1alpha1\n"
         "kind: Gateway\n"
         "metadata: {name: edge, namespace: web}\n"
         "spec:\n"
         "  gatewayClassName: aquifer\n"
         "  listeners:\n"
         "  - {port: 80, protocol: HTTP, routes: " +
         routes + "}\n---\n";
}

}  // namespace

TEST_CASE("what is served passes through, in its own order") {
  const std::string text =
      "spec:\n  strange: {}\nkind: HTTPRoute\napiVersion: gateway.networking.k8s.io/v1\n"
      "metadata:\n  name: x\n";
  const Told told = Run(text);
  CHECK(told.text == text);
  CHECK(told.done.empty());
}

TEST_CASE("a version that is on its way out becomes v1 and is told in a sentence") {
  const Told told = Run(
      "apiVersion: security.istio.io/v1beta1\nkind: AuthorizationPolicy\nmetadata: {name: p}\n");
  CHECK(Has(told.text, "apiVersion: security.istio.io/v1\n"));
  CHECK(told.done ==
        std::vector<std::string>{"AuthorizationPolicy default/p: security.istio.io/v1beta1 is on "
                                 "its way out; written as v1"});
  CHECK(Has(Run("apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\n"
                "metadata: {name: p}\n")
                .text,
            "networking.istio.io/v1alpha3"));
}

TEST_CASE("a route of v1alpha2 gets the path type and the kinds of v1") {
  const Told told =
      Run("apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: HTTPRoute\nmetadata: {name: r}\n"
          "spec:\n  parentRefs: [{name: g, scope: Namespace}]\n"
          "  rules: [{matches: [{path: {type: Prefix, value: /}}]}]\nstatus: {parents: []}\n");
  CHECK(Has(told.text, "type: PathPrefix"));
  CHECK_FALSE(Has(told.text, "scope"));
  CHECK_FALSE(Has(told.text, "status"));
  CHECK(told.done[0] ==
        "HTTPRoute default/r: gateway.networking.k8s.io/v1alpha2 is no longer served; written as "
        "v1");
  CHECK(Has(Run("apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: ReferencePolicy\n"
                "metadata: {name: r}\n")
                .text,
            "kind: ReferenceGrant"));
}

TEST_CASE("the class of v1alpha1 names its controller by another field") {
  const Told told =
      Run("apiVersion: networking.x-k8s.io/v1alpha1\nkind: GatewayClass\nmetadata: {name: c}\n"
          "spec: {controller: aquifer.io/gateway}\n");
  CHECK(Has(told.text, "apiVersion: gateway.networking.k8s.io/v1\n"));
  CHECK(Has(told.text, "controllerName: aquifer.io/gateway"));
  CHECK(Has(told.done[0], "GatewayClass c: networking.x-k8s.io/v1alpha1 is no longer served"));
}

TEST_CASE("a gateway's listeners get names, and say which kinds and namespaces they allow") {
  const Told told = Run(
      OldGateway("{kind: HTTPRoute, namespaces: {from: All}, selector: {matchLabels: {a: b}}}"));
  CHECK(Has(told.text,
            "  - name: http\n"
            "    port: 80\n"
            "    protocol: HTTP\n"
            "    allowedRoutes:\n"
            "      namespaces:\n"
            "        from: All\n"
            "      kinds:\n"
            "      - kind: HTTPRoute\n"));
  CHECK_FALSE(Has(told.text, "selector"));
}

TEST_CASE("a route that a gateway has chosen by its labels names the gateway") {
  const Told told =
      Run(OldGateway("{kind: HTTPRoute, selector: {matchLabels: {team: red}}}") + kOldRoute);
  CHECK(told.failed.empty());
  CHECK(Has(told.text, "spec:\n  parentRefs:\n  - name: edge\n  hostnames:"));
  CHECK(Has(told.text, "type: PathPrefix"));
  CHECK(Has(told.text, "headers:\n      - type: Exact\n        name: tier\n        value: gold\n"));
  CHECK(Has(told.text,
            "backendRefs:\n    - name: one\n      port: 80\n      weight: 3\n    - name: two\n"));
}

TEST_CASE("a route that no gateway has chosen is told, and takes the one that is named") {
  for (const char* routes : {"{kind: HTTPRoute, selector: {matchLabels: {team: blue}}}",
                             "{kind: TCPRoute}", "{selector: {matchLabels: 7}}"}) {
    const Told told = Run(OldGateway(routes) + kOldRoute);
    INFO(routes);
    REQUIRE_FALSE(told.failed.empty());
    CHECK(Has(told.failed.back(), "HTTPRoute web/shop: no Gateway of the input has chosen it"));
    CHECK_FALSE(Has(told.text, "parentRefs"));
  }
  ConvertOptions options;
  options.gateway = {"edge", "main"};
  const Told told = Run(kOldRoute, options);
  CHECK(told.failed.empty());
  CHECK(Has(told.text, "parentRefs:\n  - name: main\n    namespace: edge\n"));
}

TEST_CASE("a gateway chooses in other namespaces only where it and the route say so") {
  std::string elsewhere = kOldRoute;
  elsewhere.replace(elsewhere.find("namespace: web"), 14, "namespace: out");
  const std::string all = OldGateway("{namespaces: {from: All}}");
  CHECK_FALSE(Run(all + elsewhere).failed.empty());
  std::string allows = elsewhere;
  allows.replace(allows.find("spec:\n"), 6, "spec:\n  gateways: {allow: All}\n");
  CHECK(Has(Run(all + allows).text, "parentRefs:\n  - name: edge\n    namespace: web\n"));
  CHECK_FALSE(Run(OldGateway("{}") + allows).failed.empty());
  const std::string by_name = OldGateway(
      "{namespaces: {from: Selector, selector: {matchExpressions: [{key: "
      "kubernetes.io/metadata.name, operator: In, values: [out]}]}}}");
  CHECK(Run(by_name + allows).failed.empty());
}

TEST_CASE("a condition that has no successor is refused, and its route stays as it was") {
  std::string text = kOldRoute;
  text.replace(text.find("- path:"), 7, "- extensionRef: {kind: X, name: y}\n      path:");
  ConvertOptions options;
  options.gateway = {"web", "edge"};
  const Told told = Run(text, options);
  REQUIRE(told.failed.size() == 1);
  CHECK(told.failed[0] ==
        "HTTPRoute web/shop: spec.rules[0].matches[0].extensionRef: has no successor; it is left "
        "as it was");
  CHECK(Has(told.text, "networking.x-k8s.io/v1alpha1"));
}

TEST_CASE("rules of a TLSRoute for different hosts become routes of their own") {
  ConvertOptions options;
  options.gateway = {"default", "edge"};
  const Told told = Run(
      "apiVersion: networking.x-k8s.io/v1alpha1\nkind: TLSRoute\nmetadata: {name: t}\nspec:\n"
      "  rules:\n  - matches: [{snis: [a.test]}]\n    forwardTo: [{serviceName: a, port: 1}]\n"
      "  - matches: [{snis: [b.test]}]\n    forwardTo: [{backendRef: {group: core, kind: Service, "
      "name: b}, port: 2}]\n",
      options);
  CHECK(
      Has(told.text, "name: t\nspec:\n  parentRefs:\n  - name: edge\n  hostnames:\n  - a.test\n"));
  CHECK(Has(told.text, "name: t-2\n"));
  CHECK(Has(told.text, "- group: \"\"\n      kind: Service\n      name: b\n      port: 2\n"));
}

TEST_CASE("a parent of kind Mesh becomes the Services that the hosts name") {
  const std::string route =
      "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: HTTPRoute\n"
      "metadata: {name: m, namespace: web}\nspec:\n"
      "  parentRefs: [{kind: Mesh, name: istio}]\n  hostnames: ";
  const Told told = Run(route + "[a, b.web.svc, c.other.svc.cluster.local]\n");
  CHECK(told.failed.empty());
  CHECK_FALSE(Has(told.text, "hostnames"));
  CHECK(Has(told.text, "- group: \"\"\n    kind: Service\n    name: a\n"));
  CHECK(Has(told.text, "name: b\n"));
  CHECK(Has(told.text, "name: c\n    namespace: other\n"));
  CHECK(Has(told.done[0], "it counts for clients of namespace web alone"));
  CHECK(Run(route + "[]\n").failed ==
        std::vector<std::string>{"HTTPRoute web/m: spec.hostnames: is empty, so that the parent of "
                                 "kind Mesh names no Service"});
}

TEST_CASE("a host that is no Service becomes a ServiceEntry beside its route") {
  const Told told =
      Run("apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: HTTPRoute\nmetadata: {name: m}\n"
          "spec:\n  parentRefs: [{kind: Mesh, name: istio}]\n  hostnames: [shop.test]\n");
  CHECK(Has(told.text,
            "apiVersion: networking.istio.io/v1\n"
            "kind: ServiceEntry\n"
            "metadata:\n"
            "  name: shop-test\n"
            "spec:\n"
            "  hosts:\n"
            "  - shop.test\n"
            "  ports:\n"
            "  - number: 80\n"
            "    name: http\n"
            "    protocol: HTTP\n"
            "  resolution: DNS\n"));
  CHECK(
      Has(told.text, "group: networking.istio.io\n    kind: ServiceEntry\n    name: shop-test\n"));
  // The same form, but there is such a Service.
  const Told service =
      Run("apiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: test}\n---\n"
          "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: HTTPRoute\nmetadata: {name: m}\n"
          "spec:\n  parentRefs: [{kind: Mesh, name: istio}]\n  hostnames: [shop.test]\n");
  CHECK_FALSE(Has(service.text, "ServiceEntry"));
}

TEST_CASE("a route of the mesh and of a gateway becomes two") {
  const Told told =
      Run("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: m}\n"
          "spec:\n  parentRefs: [{kind: Mesh, name: istio}, {name: edge}]\n  hostnames: [a]\n");
  CHECK(Has(told.text, "name: m\nspec:\n  parentRefs:\n  - name: edge\n  hostnames:\n  - a\n"));
  CHECK(Has(told.text, "name: m-mesh\n"));
}

TEST_CASE("objects in a List are converted where they are") {
  const Told told =
      Run("apiVersion: v1\nkind: List\nitems:\n- apiVersion: gateway.networking.k8s.io/v1beta1\n"
          "  kind: Gateway\n  metadata: {name: g}\n");
  CHECK(told.text ==
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: gateway.networking.k8s.io/v1\n"
        "  kind: Gateway\n  metadata:\n    name: g\n");
}

}  // namespace aquifer::cli
