#include "control/reconcile/routes.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

// Namespace web has Service httpbin:8000 behind a waypoint "way", and the route "r"; namespace edge
// has Gateway gw.
const char* const kWeb = R"(
{apiVersion: v1, kind: Service, metadata: {name: httpbin, namespace: web, labels: {istio.io/use-waypoint: way}}, spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 8000}, {name: dns, port: 53, protocol: UDP}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: headless, namespace: web}, spec: {clusterIP: None, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: outside, namespace: web}, spec: {type: ExternalName, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: plain, namespace: web}, spec: {clusterIP: 10.96.0.3, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: far, namespace: other}, spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: way, namespace: web}, spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: way-1, namespace: web, labels: {gateway.networking.k8s.io/gateway-name: way}}, status: {podIP: 10.0.0.9}}
---
)";

std::string GatewayYaml(std::string_view listeners) {
  return "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: gw, "
         "namespace: edge}, spec: "
         "{gatewayClassName: istio, listeners: [" +
         std::string(listeners) + "]}}\n---\n";
}

std::string RouteYaml(std::string_view parent, std::string_view more = "",
                      std::string_view space = "web") {
  return "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, "
         "namespace: " +
         std::string(space) + ", generation: 3}, spec: {parentRefs: [" + std::string(parent) + "]" +
         std::string(more) + "}}\n";
}

const std::string kParent = "{name: gw, namespace: edge}";
const char* const kOpen =
    "{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}";

Mesh Attach(std::string_view listeners, std::string_view route) {
  return Mesh(std::string(kWeb) + GatewayYaml(listeners) + std::string(route));
}

std::string Accepted(std::string_view listeners, std::string_view parent,
                     std::string_view more = "") {
  return Attach(listeners, RouteYaml(parent, more)).ParentConditionOf("web/r", 0, "Accepted");
}

std::string Resolved(std::string_view backend) {
  const std::string rules = ", rules: [{backendRefs: [" + std::string(backend) + "]}]";
  return Attach(kOpen, RouteYaml(kParent, rules)).ParentConditionOf("web/r", 0, "ResolvedRefs");
}

}  // namespace

TEST_CASE("a route attaches to the listeners that fit, one parent each") {
  const Mesh mesh = Attach(
      "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}, {name: b, "
      "port: 81, "
      "protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}, {name: c, port: 82, protocol: "
      "HTTP}",
      RouteYaml(kParent));
  CHECK(mesh.ParentConditionOf("web/r", 0, "Accepted") == "True Accepted");
  const auto route = mesh.RouteOf("web/r");
  REQUIRE(route.has_value());
  REQUIRE(route->parents_size() == 2);
  CHECK(route->parents(0).listener().namespace_() == "edge");
  CHECK(route->parents(0).listener().name() == "gw");
  CHECK(route->parents(0).listener().listener() == "a");
  CHECK(route->parents(1).listener().listener() == "b");
  const ObjectStatus* gateway = mesh.StatusOf(Kind::kGateway, "edge/gw");
  CHECK(gateway->listeners[0].attached_routes == 1);
  CHECK(gateway->listeners[2].attached_routes == 0);
  CHECK(mesh.StatusOf(Kind::kHttpRoute, "web/r")->generation == 3);
  CHECK(mesh.ResourceOf(ResourceType::kHttpRoute, "web/r")->gateways ==
        std::vector<std::string>{"edge/gw"});
}

TEST_CASE("a section and a port must fit the same listener") {
  const std::string listeners =
      "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}, {name: b, "
      "port: 81, protocol: HTTP, "
      "allowedRoutes: {namespaces: {from: All}}}";
  CHECK(Accepted(listeners, "{name: gw, namespace: edge, sectionName: a, port: 80}") ==
        "True Accepted");
  CHECK(Accepted(listeners, "{name: gw, namespace: edge, sectionName: a, port: 81}") ==
        "False NoMatchingParent");
  CHECK(Accepted(listeners, "{name: gw, namespace: edge, sectionName: c}") ==
        "False NoMatchingParent");
}

TEST_CASE("listeners allow routes of their own namespace unless they say otherwise") {
  CHECK(Accepted("{name: a, port: 80, protocol: HTTP}", kParent) == "False NotAllowedByListeners");
  CHECK(Accepted("{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: TCPRoute}], "
                 "namespaces: {from: All}}}",
                 kParent) == "False NotAllowedByListeners");
  CHECK(Accepted("{name: a, port: 80, protocol: TCP, allowedRoutes: {namespaces: {from: All}}}",
                 kParent) == "False NotAllowedByListeners");
  CHECK(Accepted("{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, "
                 "selector: {matchExpressions: "
                 "[{key: kubernetes.io/metadata.name, operator: In, values: [web]}]}}}}",
                 kParent) == "True Accepted");
}

TEST_CASE("host names of listener and route must have a name in common") {
  const std::string wild =
      "{name: a, port: 80, protocol: HTTP, hostname: '*.aliyun.com', allowedRoutes: {namespaces: "
      "{from: All}}}";
  CHECK(Accepted(wild, kParent, ", hostnames: ['*.aliyun.com']") == "True Accepted");
  CHECK(Accepted(wild, kParent, ", hostnames: [httpbin.aliyun.com]") == "True Accepted");
  CHECK(Accepted(wild, kParent, ", hostnames: [aliyun.com]") == "False NoMatchingListenerHostname");
  CHECK(Accepted(wild, kParent, ", hostnames: [example.com, a.b.aliyun.com]") == "True Accepted");
  CHECK(Accepted(wild, kParent) == "True Accepted");
  CHECK(HostnamesIntersect("*.com", "*.a.com"));
  CHECK_FALSE(HostnamesIntersect("*.a.com", "*.b.com"));
  CHECK_FALSE(HostnamesIntersect("*.a.com", "xa.com"));
}

TEST_CASE("a parent that is not ours gets no entry, a Mesh gets a word") {
  CHECK(Attach(kOpen, RouteYaml("{name: elsewhere}"))
            .StatusOf(Kind::kHttpRoute, "web/r")
            ->parents.empty());
  CHECK(Accepted(kOpen, "{kind: Mesh, name: istio}") == "False NoMatchingParent");
  CHECK(Attach(kOpen, RouteYaml("{group: example.com, kind: Gateway, name: gw}"))
            .StatusOf(Kind::kHttpRoute, "web/r")
            ->parents.empty());
}

TEST_CASE("a route that waypoints have no routes for stays off their HBONE listener") {
  CHECK(Accepted(kOpen, "{name: way}") == "False NotAllowedByListeners");
}

TEST_CASE("a listener that cannot be used counts its routes and serves none") {
  const Mesh mesh = Attach(
      "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}, {name: b, "
      "port: 80, "
      "protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}",
      RouteYaml(kParent));
  CHECK(mesh.StatusOf(Kind::kGateway, "edge/gw")->listeners[0].attached_routes == 1);
  CHECK_FALSE(mesh.RouteOf("web/r").has_value());
}

TEST_CASE("what the data plane cannot do is not attached") {
  CHECK(Accepted(kOpen, kParent, ", rules: [{sessionPersistence: {type: Cookie}}]") ==
        "False UnsupportedValue");
}

TEST_CASE("a regular expression that a proxy would refuse is not attached, its field is named") {
  const auto message = [](const std::string& match) {
    const Mesh mesh = Attach(kOpen, RouteYaml(kParent, ", rules: [{matches: [{" + match + "}]}]"));
    CHECK_FALSE(mesh.RouteOf("web/r").has_value());
    const ObjectStatus* status = mesh.StatusOf(Kind::kHttpRoute, "web/r");
    REQUIRE(status != nullptr);
    const Condition* accepted = FindCondition(status->parents.at(0).conditions, "Accepted");
    REQUIRE(accepted != nullptr);
    CHECK(accepted->reason == "UnsupportedValue");
    return accepted->message;
  };
  const std::string field = "spec.rules[0].matches[0].";
  CHECK(message("path: {type: RegularExpression, value: 'a{1000}b{1000}c{1000}d{1000}e{1000}'}") ==
        field + "path.value: compiles to more than 4096 instructions");
  CHECK(message("headers: [{name: a, type: RegularExpression, value: " + std::string(1025, 'a') +
                "}]") == field + "headers[0].value: is longer than 1024 bytes");
}

TEST_CASE("a route of a Service goes to its waypoint") {
  for (const char* group : {"''", "core"}) {
    const Mesh mesh = Attach(kOpen, RouteYaml("{group: " + std::string(group) +
                                              ", kind: Service, name: httpbin, port: 8000}"));
    CHECK(mesh.ParentConditionOf("web/r", 0, "Accepted") == "True Accepted");
    const auto route = mesh.RouteOf("web/r");
    REQUIRE(route.has_value());
    CHECK(route->parents(0).service().hostname() == "httpbin.web.svc.cluster.local");
    CHECK(route->parents(0).service().port() == 8000);
    CHECK(mesh.ResourceOf(ResourceType::kHttpRoute, "web/r")->gateways ==
          std::vector<std::string>{"web/way"});
  }
  CHECK(Attach(kOpen, RouteYaml("{group: '', kind: Service, name: httpbin}"))
            .RouteOf("web/r")
            ->parents(0)
            .service()
            .port() == 0);
  CHECK(Attach(kOpen, RouteYaml("{group: '', kind: Service, name: httpbin, sectionName: http}"))
            .RouteOf("web/r")
            ->parents(0)
            .service()
            .port() == 8000);
}

TEST_CASE("a consumer's route goes to the waypoint of the Service, and says for whom it is") {
  const Mesh mesh = Attach(
      kOpen, RouteYaml("{group: '', kind: Service, name: httpbin, namespace: web, port: 8000}", "",
                       "clients"));
  const ObjectStatus* status = mesh.StatusOf(Kind::kHttpRoute, "clients/r");
  REQUIRE(status != nullptr);
  const Condition* accepted = FindCondition(status->parents.at(0).conditions, "Accepted");
  REQUIRE(accepted != nullptr);
  CHECK(accepted->status);
  CHECK(accepted->message == "for clients of namespace clients");
  const auto route = mesh.RouteOf("clients/r");
  REQUIRE(route.has_value());
  CHECK(route->namespace_() == "clients");
  CHECK(route->parents(0).service().namespace_() == "web");
  CHECK(mesh.ResourceOf(ResourceType::kHttpRoute, "clients/r")->gateways ==
        std::vector<std::string>{"web/way"});
}

TEST_CASE("a consumer's route sends nothing to a third party's Service") {
  const auto accepted = [](std::string_view rule) {
    const std::string more = ", rules: [{" + std::string(rule) + "}]";
    return Attach(kOpen, RouteYaml("{group: '', kind: Service, name: httpbin, namespace: web}",
                                   more, "clients"))
        .ParentConditionOf("clients/r", 0, "Accepted");
  };
  const std::string far = "{name: far, namespace: other, port: 80}";
  const std::string mirror =
      "filters: [{type: RequestMirror, requestMirror: {backendRef: " + far + "}}]";
  const std::string own = "{name: httpbin, namespace: web, port: 8000";
  CHECK(accepted("backendRefs: [" + own + "}]") == "True Accepted");
  CHECK(accepted("backendRefs: [{name: mine, port: 80}]") == "True Accepted");
  CHECK(accepted("backendRefs: [" + own + "}, " + far + "]") == "False UnsupportedValue");
  CHECK(accepted("backendRefs: [{name: plain, namespace: web, port: 80}]") ==
        "False UnsupportedValue");
  CHECK(accepted(mirror) == "False UnsupportedValue");
  CHECK(accepted("backendRefs: [" + own + ", " + mirror + "}]") == "False UnsupportedValue");
}

TEST_CASE("a consumer's route makes no other request of one that policies have judged") {
  const auto attach = [](std::string_view rule, std::string_view port = "") {
    const std::string parent = "{group: '', kind: Service, name: httpbin, namespace: web";
    return Attach(kOpen, RouteYaml(parent + std::string(port) + "}",
                                   ", rules: [{" + std::string(rule) + "}]", "clients"));
  };
  const auto accepted = [&](std::string_view rule, std::string_view port = "") {
    return attach(rule, port).ParentConditionOf("clients/r", 0, "Accepted");
  };
  const std::string rewrite =
      "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: "
      "/admin}}}]";
  const std::string header = "HeaderModifier: {set: [{name: x-role, value: admin}]}}]";
  const std::string own = "{name: httpbin, namespace: web, port: ";
  CHECK(accepted(rewrite) == "False UnsupportedValue");
  CHECK(accepted("backendRefs: [" + own + "8000, " + rewrite + "}]") == "False UnsupportedValue");
  CHECK(accepted("filters: [{type: RequestHeaderModifier, request" + header) ==
        "False UnsupportedValue");
  CHECK(accepted("filters: [{type: ResponseHeaderModifier, response" + header) == "True Accepted");
  // Nor is a request for one port sent to another.
  CHECK(accepted("backendRefs: [" + own + "8000}, " + own + "9000}]") == "False UnsupportedValue");
  CHECK(accepted("backendRefs: [" + own + "9000}]", ", port: 8000") == "False UnsupportedValue");
  const auto route = attach("backendRefs: [" + own + "8000}]").RouteOf("clients/r");
  REQUIRE(route.has_value());
  CHECK(route->parents(0).service().port() == 8000);
}

TEST_CASE("a route of a ServiceEntry goes to its waypoint, for each of its hosts") {
  const std::string entry = R"(
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: web, labels: {istio.io/use-waypoint: way}}, spec: {hosts: [a.example.com, b.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}}
---
)";
  const auto attach = [&](std::string_view more) {
    return Attach(kOpen, entry + RouteYaml("{group: networking.istio.io, kind: ServiceEntry" +
                                           std::string(more) + "}"));
  };
  const Mesh mesh = attach(", name: out, port: 80");
  CHECK(mesh.ParentConditionOf("web/r", 0, "Accepted") == "True Accepted");
  const auto route = mesh.RouteOf("web/r");
  REQUIRE(route.has_value());
  REQUIRE(route->parents_size() == 2);
  CHECK(route->parents(0).service().hostname() == "a.example.com");
  CHECK(route->parents(1).service().hostname() == "b.example.com");
  CHECK(route->parents(1).service().port() == 80);
  CHECK(mesh.ResourceOf(ResourceType::kHttpRoute, "web/r")->gateways ==
        std::vector<std::string>{"web/way"});
  CHECK(attach(", name: out, port: 81").ParentConditionOf("web/r", 0, "Accepted") ==
        "False NoMatchingParent");
  CHECK(attach(", name: in").ParentConditionOf("web/r", 0, "Accepted") == "False NoMatchingParent");
}

TEST_CASE("services that cannot carry a route say so") {
  const auto accepted = [](std::string_view name) {
    return Accepted(kOpen, "{group: '', kind: Service, " + std::string(name) + "}");
  };
  CHECK(accepted("name: missing") == "False NoMatchingParent");
  CHECK(accepted("name: headless") == "False NoMatchingParent");
  CHECK(accepted("name: outside") == "False NoMatchingParent");
  CHECK(accepted("name: httpbin, port: 9") == "False NoMatchingParent");
  CHECK(accepted("name: httpbin, port: 53") == "False NoMatchingParent");
  CHECK(accepted("name: plain") == "True Accepted");
  CHECK_FALSE(Attach(kOpen, RouteYaml("{group: '', kind: Service, name: plain}"))
                  .RouteOf("web/r")
                  .has_value());
}

TEST_CASE("references resolve, or say why they do not") {
  CHECK(Resolved("{name: httpbin, port: 8000}") == "True ResolvedRefs");
  CHECK(Resolved("{name: missing, port: 8000}") == "False BackendNotFound");
  CHECK(Resolved("{name: httpbin, port: 1}") == "False BackendNotFound");
  CHECK(Resolved("{name: httpbin, port: 53}") == "False BackendNotFound");
  CHECK(Resolved("{name: outside, port: 80}") == "False UnsupportedProtocol");
  CHECK(Resolved("{group: example.com, kind: Bucket, name: a}") == "False InvalidKind");
  CHECK(Resolved("{name: far, namespace: other, port: 80}") == "False RefNotPermitted");
  CHECK(Resolved("{name: missing, namespace: other, port: 80}") == "False RefNotPermitted");
}

TEST_CASE("references are judged on a rejected route, too") {
  const Mesh mesh =
      Attach("{name: a, port: 80, protocol: HTTP}",
             RouteYaml(kParent, ", rules: [{backendRefs: [{name: httpbin, port: 8000}]}]"));
  CHECK(mesh.ParentConditionOf("web/r", 0, "Accepted") == "False NotAllowedByListeners");
  CHECK(mesh.ParentConditionOf("web/r", 0, "ResolvedRefs") == "True ResolvedRefs");
}

TEST_CASE("a bad backend keeps its share of the requests") {
  const Mesh mesh = Attach(kOpen, RouteYaml(kParent,
                                            ", rules: [{backendRefs: [{name: httpbin, port: 8000, "
                                            "weight: 3}, {name: missing, port: 1}]}]"));
  const auto backends = mesh.RouteOf("web/r")->rules(0).backends();
  REQUIRE(backends.size() == 2);
  CHECK(backends[0].service().hostname() == "httpbin.web.svc.cluster.local");
  CHECK(backends[0].service().port() == 8000);
  CHECK(backends[0].weight() == 3);
  CHECK(backends[0].invalid().empty());
  CHECK_FALSE(backends[1].has_service());
  CHECK(backends[1].invalid() == "Service web/missing does not exist");
}

TEST_CASE("a grant permits a backend of another namespace, by kind, namespace and name") {
  const auto with = [](std::string_view from, std::string_view to) {
    const std::string grant =
        "---\n{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: "
        "{name: g, namespace: "
        "other}, spec: {from: [{group: gateway.networking.k8s.io, " +
        std::string(from) + "}], to: [{group: '', " + std::string(to) + "}]}}\n";
    return Attach(kOpen,
                  RouteYaml(kParent,
                            ", rules: [{backendRefs: [{name: far, namespace: other, port: 80}]}]") +
                      grant)
        .ParentConditionOf("web/r", 0, "ResolvedRefs");
  };
  CHECK(with("kind: HTTPRoute, namespace: web", "kind: Service") == "True ResolvedRefs");
  CHECK(with("kind: HTTPRoute, namespace: web", "kind: Service, name: far") == "True ResolvedRefs");
  CHECK(with("kind: HTTPRoute, namespace: web", "kind: Service, name: near") ==
        "False RefNotPermitted");
  CHECK(with("kind: HTTPRoute, namespace: edge", "kind: Service") == "False RefNotPermitted");
  CHECK(with("kind: GRPCRoute, namespace: web", "kind: Service") == "False RefNotPermitted");
  CHECK(with("kind: HTTPRoute, namespace: web", "kind: Secret") == "False RefNotPermitted");
}

TEST_CASE("routes of services need no grant") {
  const Mesh mesh = Attach(
      kOpen, RouteYaml("{group: '', kind: Service, name: httpbin}",
                       ", rules: [{backendRefs: [{name: far, namespace: other, port: 80}]}]"));
  CHECK(mesh.ParentConditionOf("web/r", 0, "ResolvedRefs") == "True ResolvedRefs");
}

TEST_CASE("rules travel whole") {
  const Mesh mesh = Attach(kOpen, RouteYaml(kParent, R"(, hostnames: [a.com], rules: [{
    name: one,
    matches: [{path: {type: Exact, value: /a}, method: GET, headers: [{name: X-A, value: b}, {name: x-a, value: c}], queryParams: [{name: q, type: RegularExpression, value: 'x.*'}]}],
    filters: [
      {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}], add: [{name: c, value: d}], remove: [e]}},
      {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [f]}},
      {type: RequestMirror, requestMirror: {backendRef: {name: httpbin, port: 8000}, percent: 20}},
      {type: CORS, cors: {allowOrigins: ['*'], maxAge: 9}},
      {type: ExtensionRef, extensionRef: {group: a.io, kind: B, name: c}}],
    backendRefs: [{name: httpbin, port: 8000, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [g]}}]}],
    timeouts: {request: 50ms, backendRequest: 20ms},
    retry: {attempts: 2, codes: [503], backoff: 100ms}},
    {matches: [{path: {value: /old}}], filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301, path: {type: ReplacePrefixMatch, replacePrefixMatch: ''}}}]},
    {filters: [{type: URLRewrite, urlRewrite: {hostname: b.com, path: {type: ReplaceFullPath, replaceFullPath: /x}}}]}])"));
  const auto route = mesh.RouteOf("web/r");
  REQUIRE(route.has_value());
  REQUIRE(route->rules_size() == 3);
  const auto& one = route->rules(0);
  CHECK(one.name() == "one");
  CHECK(one.matches(0).path().type() == mesh::v1::MATCH_TYPE_EXACT);
  REQUIRE(one.matches(0).headers_size() == 1);
  CHECK(one.matches(0).headers(0).name() == "x-a");
  CHECK(one.matches(0).headers(0).value() == "b");
  CHECK(one.matches(0).query_params(0).type() == mesh::v1::MATCH_TYPE_REGULAR_EXPRESSION);
  REQUIRE(one.filters_size() == 5);
  CHECK(one.filters(0).request_header_modifier().remove(0) == "e");
  CHECK(one.filters(1).response_header_modifier().remove(0) == "f");
  CHECK(one.filters(2).request_mirror().numerator() == 20);
  CHECK(one.filters(2).request_mirror().backend().service().port() == 8000);
  CHECK(one.filters(3).cors().max_age_seconds() == 9);
  CHECK(one.filters(4).invalid() == "filters of type ExtensionRef are not available");
  CHECK(one.backends(0).filters(0).request_header_modifier().remove(0) == "g");
  CHECK(one.timeouts().request_ms() == 50);
  CHECK(one.retry().attempts() == 2);
  CHECK(route->rules(1).filters(0).request_redirect().path().modifier_case() ==
        mesh::v1::PathModifier::kReplacePrefixMatch);
  CHECK(route->rules(2).filters(0).url_rewrite().path().replace_full_path() == "/x");
  CHECK(route->rules(2).matches(0).path().value() == "/");
}

}  // namespace aquifer::control
