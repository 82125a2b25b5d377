#include "control/reconcile/l4_routes.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

// Namespace web has the backends and the route "r"; namespace edge has Gateway gw.
const char* const kWeb = R"(
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: web}, spec: {clusterIP: 10.96.0.1, selector: {app: db}, ports: [{name: sql, port: 5432}, {name: dns, port: 53, targetPort: 5353, protocol: UDP}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: far, namespace: other}, spec: {clusterIP: 10.96.0.2, ports: [{port: 5432}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db-1, namespace: web, labels: {app: db}}, status: {podIP: 10.0.0.9, phase: Running}}
---
)";

const char* const kTcp =
    "{name: a, port: 1, protocol: TCP, allowedRoutes: {namespaces: {from: All}}}";
const char* const kTls =
    "{name: a, port: 1, protocol: TLS, hostname: '*.example.com', tls: {mode: Passthrough}, "
    "allowedRoutes: {namespaces: {from: All}}}";

std::string GatewayYaml(std::string_view listeners) {
  return "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: gw, "
         "namespace: edge}, spec: {gatewayClassName: istio, listeners: [" +
         std::string(listeners) + "]}}\n---\n";
}

std::string RouteYaml(std::string_view kind, std::string_view more = "",
                      std::string_view backends = "{name: db, port: 5432}") {
  return "{apiVersion: gateway.networking.k8s.io/v1alpha2, kind: " + std::string(kind) +
         ", metadata: {name: r, namespace: web}, spec: {parentRefs: [{name: gw, namespace: edge" +
         std::string(more) + ", rules: [{backendRefs: [" + std::string(backends) + "]}]}}\n";
}
// The end of parentRefs, perhaps with more before it.
const char* const kEnd = "}]";

Mesh With(std::string_view listeners, std::string_view routes) {
  return Mesh(std::string(kWeb) + GatewayYaml(listeners) + std::string(routes));
}

std::string ConditionOf(const Mesh& mesh, Kind kind, std::string_view type) {
  const ObjectStatus* status = mesh.StatusOf(kind, "web/r");
  if (status == nullptr || status->parents.size() != 1) return "";
  const Condition* condition = FindCondition(status->parents[0].conditions, type);
  return condition == nullptr ? "" : (condition->status ? "True " : "False ") + condition->reason;
}

std::optional<mesh::v1::L4Route> MessageOf(const Mesh& mesh, const std::string& name) {
  const Resource* resource = mesh.ResourceOf(ResourceType::kL4Route, name);
  if (resource == nullptr) return std::nullopt;
  mesh::v1::L4Route message;
  REQUIRE(message.ParseFromString(resource->bytes));
  return message;
}

int AttachedTo(const Mesh& mesh, size_t listener) {
  return mesh.StatusOf(Kind::kGateway, "edge/gw")->listeners.at(listener).attached_routes;
}

}  // namespace

TEST_CASE("a TCPRoute is told to the proxies of its Gateway, with its backends") {
  const Mesh mesh = With(kTcp, RouteYaml("TCPRoute", kEnd, "{name: db, port: 5432, weight: 7}"));
  CHECK(ConditionOf(mesh, Kind::kTcpRoute, "Accepted") == "True Accepted");
  CHECK(ConditionOf(mesh, Kind::kTcpRoute, "ResolvedRefs") == "True ResolvedRefs");
  CHECK(AttachedTo(mesh, 0) == 1);
  const auto route = MessageOf(mesh, "TCPRoute/web/r");
  REQUIRE(route.has_value());
  CHECK(route->kind() == mesh::v1::L4_ROUTE_KIND_TCP);
  REQUIRE(route->listeners_size() == 1);
  CHECK(route->listeners(0).listener() == "a");
  REQUIRE(route->backends_size() == 1);
  CHECK(route->backends(0).weight() == 7);
  CHECK(route->backends(0).service().hostname() == "db.web.svc.cluster.local");
  CHECK(route->backends(0).service().port() == 5432);
  CHECK(mesh.ResourceOf(ResourceType::kL4Route, "TCPRoute/web/r")->gateways ==
        std::vector<std::string>{"edge/gw"});
  REQUIRE(mesh.GatewayOf("edge/gw")->listeners_size() == 1);
  CHECK(mesh.GatewayOf("edge/gw")->listeners(0).protocol() == mesh::v1::LISTENER_PROTOCOL_TCP);
}

TEST_CASE("a route attaches by name and port, to every listener of its kind without them") {
  const std::string listeners = std::string(kTcp) +
                                ", {name: b, port: 2, protocol: TCP, allowedRoutes: {namespaces: "
                                "{from: All}}}, {name: h, port: 80, protocol: HTTP, "
                                "allowedRoutes: {namespaces: {from: All}}}";
  const auto attached = [&](std::string_view more) {
    const Mesh mesh = With(listeners, RouteYaml("TCPRoute", std::string(more) + kEnd));
    return std::vector<int>{AttachedTo(mesh, 0), AttachedTo(mesh, 1), AttachedTo(mesh, 2)};
  };
  CHECK(attached("") == std::vector<int>{1, 1, 0});
  CHECK(attached(", sectionName: b") == std::vector<int>{0, 1, 0});
  CHECK(attached(", port: 1") == std::vector<int>{1, 0, 0});
  CHECK(attached(", port: 1, sectionName: b") == std::vector<int>{0, 0, 0});
  const auto accepted = [&](std::string_view more) {
    return ConditionOf(With(listeners, RouteYaml("TCPRoute", std::string(more) + kEnd)),
                       Kind::kTcpRoute, "Accepted");
  };
  CHECK(accepted(", port: 1, sectionName: b") == "False NoMatchingParent");
  CHECK(accepted(", sectionName: h") == "False NotAllowedByListeners");
}

TEST_CASE("a listener takes routes of the namespaces and the kind that it allows") {
  const auto accepted = [](std::string_view listener, std::string_view kind, Kind number) {
    return ConditionOf(With(listener, RouteYaml(kind, kEnd)), number, "Accepted");
  };
  CHECK(accepted("{name: a, port: 1, protocol: TCP}", "TCPRoute", Kind::kTcpRoute) ==
        "False NotAllowedByListeners");
  CHECK(accepted(kTls, "TCPRoute", Kind::kTcpRoute) == "False NotAllowedByListeners");
  CHECK(accepted(kTcp, "TLSRoute", Kind::kTlsRoute) == "False NotAllowedByListeners");
  CHECK(accepted(kTls, "UDPRoute", Kind::kUdpRoute) == "False NotAllowedByListeners");
  CHECK(accepted(kTls, "TLSRoute", Kind::kTlsRoute) == "True Accepted");
}

TEST_CASE("a UDPRoute is told with the ready endpoints of its backends") {
  const std::string udp =
      "{name: a, port: 1, protocol: UDP, allowedRoutes: {namespaces: {from: All}}}";
  const Mesh mesh = With(udp, RouteYaml("UDPRoute", kEnd, "{name: db, port: 53}"));
  CHECK(ConditionOf(mesh, Kind::kUdpRoute, "Accepted") == "True Accepted");
  CHECK(ConditionOf(mesh, Kind::kUdpRoute, "ResolvedRefs") == "True ResolvedRefs");
  const auto route = MessageOf(mesh, "UDPRoute/web/r");
  REQUIRE(route.has_value());
  REQUIRE(route->backends_size() == 1);
  REQUIRE(route->backends(0).endpoints_size() == 1);
  CHECK(route->backends(0).endpoints(0) == "10.0.0.9:5353");
  CHECK(mesh.GatewayOf("edge/gw")->listeners(0).protocol() == mesh::v1::LISTENER_PROTOCOL_UDP);
  // The port of TCP is another one.
  CHECK(ConditionOf(With(udp, RouteYaml("UDPRoute", kEnd)), Kind::kUdpRoute, "ResolvedRefs") ==
        "False BackendNotFound");
}

TEST_CASE("two routes of one listener are both accepted and counted") {
  const std::string other =
      "---\n{apiVersion: gateway.networking.k8s.io/v1alpha2, kind: TCPRoute, metadata: {name: s, "
      "namespace: web}, spec: {parentRefs: [{name: gw, namespace: edge}], rules: [{backendRefs: "
      "[{name: db, port: 5432}]}]}}\n";
  const Mesh mesh = With(kTcp, RouteYaml("TCPRoute", kEnd) + other);
  CHECK(AttachedTo(mesh, 0) == 2);
  CHECK(ConditionOf(mesh, Kind::kTcpRoute, "Accepted") == "True Accepted");
  CHECK(MessageOf(mesh, "TCPRoute/web/s").has_value());
}

TEST_CASE("the names of a TLSRoute have to fit its listener") {
  const auto accepted = [](std::string_view names) {
    const Mesh mesh =
        With(kTls, RouteYaml("TLSRoute", "}], hostnames: [" + std::string(names) + "]"));
    return ConditionOf(mesh, Kind::kTlsRoute, "Accepted");
  };
  CHECK(accepted("a.example.com") == "True Accepted");
  CHECK(accepted("'*.b.example.com'") == "True Accepted");
  CHECK(accepted("example.org") == "False NoMatchingListenerHostname");
  const Mesh mesh = With(kTls, RouteYaml("TLSRoute", "}], hostnames: [x.org, a.example.com]"));
  CHECK(MessageOf(mesh, "TLSRoute/web/r")->hostnames_size() == 2);
}

TEST_CASE("a backend that cannot be used stays in its place and says why") {
  const auto resolved = [](std::string_view backend) {
    return ConditionOf(With(kTcp, RouteYaml("TCPRoute", kEnd, backend)), Kind::kTcpRoute,
                       "ResolvedRefs");
  };
  CHECK(resolved("{name: nobody, port: 1}") == "False BackendNotFound");
  CHECK(resolved("{name: db, port: 53}") == "False BackendNotFound");
  CHECK(resolved("{group: x.io, kind: Thing, name: db}") == "False InvalidKind");
  CHECK(resolved("{name: far, namespace: other, port: 5432}") == "False RefNotPermitted");
  const Mesh mesh = With(kTcp, RouteYaml("TCPRoute", kEnd, "{name: nobody, port: 1, weight: 3}"));
  CHECK(ConditionOf(mesh, Kind::kTcpRoute, "Accepted") == "True Accepted");
  const auto route = MessageOf(mesh, "TCPRoute/web/r");
  REQUIRE(route.has_value());
  CHECK(route->backends(0).weight() == 3);
  CHECK(route->backends(0).invalid() == "Service web/nobody does not exist");
}

TEST_CASE("a grant counts for the kind of route that it names") {
  const auto resolved = [](std::string_view kind) {
    const std::string grant =
        "---\n{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: "
        "{name: g, namespace: other}, spec: {from: [{group: gateway.networking.k8s.io, kind: " +
        std::string(kind) + ", namespace: web}], to: [{group: '', kind: Service}]}}\n";
    const std::string route =
        RouteYaml("TCPRoute", kEnd, "{name: far, namespace: other, port: 5432}");
    return ConditionOf(With(kTcp, route + grant), Kind::kTcpRoute, "ResolvedRefs");
  };
  CHECK(resolved("TCPRoute") == "True ResolvedRefs");
  CHECK(resolved("HTTPRoute") == "False RefNotPermitted");
}

TEST_CASE("only the first rule counts, and the status says so") {
  const std::string route =
      "{apiVersion: gateway.networking.k8s.io/v1alpha2, kind: TCPRoute, metadata: {name: r, "
      "namespace: web}, spec: {parentRefs: [{name: gw, namespace: edge}], rules: [{backendRefs: "
      "[{name: db, port: 5432}]}, {backendRefs: [{name: nobody, port: 1}]}]}}\n";
  const Mesh mesh = With(kTcp, route);
  CHECK(MessageOf(mesh, "TCPRoute/web/r")->backends_size() == 1);
  const ObjectStatus* status = mesh.StatusOf(Kind::kTcpRoute, "web/r");
  CHECK(FindCondition(status->parents.at(0).conditions, "Accepted")->message.find("first rule") !=
        std::string::npos);
}

TEST_CASE("a route of connections is refused by the field that is wrong") {
  const auto refusal = [](std::string_view kind, std::string_view spec) {
    return RefusalOf("{apiVersion: gateway.networking.k8s.io/v1alpha2, kind: " + std::string(kind) +
                     ", metadata: {name: r}, spec: {" + std::string(spec) + "}}");
  };
  CHECK(refusal("TCPRoute", "rules: [{backendRefs: [{name: a, port: 1}]}]") == "");
  CHECK(refusal("TCPRoute", "parentRefs: [{name: a}]").starts_with("spec.rules"));
  CHECK(refusal("TCPRoute", "hostnames: [a.com], rules: [{}]").starts_with("spec.hostnames"));
  CHECK(refusal("UDPRoute", "rules: [{backendRefs: [{name: a}]}]")
            .starts_with("spec.rules[0].backendRefs[0].port"));
  CHECK(refusal("TLSRoute", "hostnames: ['a b'], rules: [{}]").starts_with("spec.hostnames[0]"));
}

}  // namespace aquifer::control
