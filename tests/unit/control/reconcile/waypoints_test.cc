#include "control/reconcile/waypoints.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

// A namespace web with an application (pod, service and account "app") and a waypoint "way" with
// its pod and Service.
std::string Web(std::string_view namespace_labels, std::string_view pod_labels,
                std::string_view service_labels) {
  return "{apiVersion: v1, kind: Namespace, metadata: {name: web, labels: {" +
         std::string(namespace_labels) + "}}}\n---\n" +
         "{apiVersion: v1, kind: Pod, metadata: {name: app, namespace: web, labels: {app: x, " +
         std::string(pod_labels) +
         "}}, spec: {serviceAccountName: app}, status: {podIP: 10.0.0.1}}\n---\n" +
         "{apiVersion: v1, kind: Service, metadata: {name: app, namespace: web, labels: {" +
         std::string(service_labels) +
         "}}, spec: {clusterIP: 10.96.0.1, selector: {app: x}, ports: [{port: 80}]}}\n";
}

std::string GatewayYaml(std::string_view metadata, std::string_view allowed = "") {
  return "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: way, "
         "namespace: web" +
         std::string(metadata) +
         "}, spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, "
         "protocol: "
         "HBONE" +
         std::string(allowed) + "}]}}\n";
}

const char* const kWaypointPod =
    "---\n{apiVersion: v1, kind: Pod, metadata: {name: way-1, namespace: web, labels: "
    "{gateway.networking.k8s.io/gateway-name: "
    "way}}, spec: {serviceAccountName: way}, status: {podIP: 10.0.0.9}}\n";
const char* const kWaypointService =
    "---\n{apiVersion: v1, kind: Service, metadata: {name: way-svc, namespace: web, labels: "
    "{gateway.networking.k8s.io/gateway-name: way}}, spec: {clusterIP: 10.96.0.9, ports: [{port: "
    "15008}]}}\n";

std::string Ready(std::string_view metadata = "", std::string_view allowed = "") {
  return GatewayYaml(metadata, allowed) + kWaypointPod + kWaypointService;
}

const char* const kHost = "way-svc.web.svc.cluster.local";
const char* const kNowhere = "way.web.waypoint.invalid";

std::string ServiceWaypoint(const Mesh& mesh) {
  return mesh.ServiceOf("web/app")->waypoint().hostname().hostname();
}
std::string PodWaypoint(const Mesh& mesh) {
  return mesh.WorkloadOf("web/app")->waypoint().hostname().hostname();
}

const char* const kUse = "istio.io/use-waypoint: way";

}  // namespace

TEST_CASE("nothing goes through a waypoint unless something asks for it") {
  const Mesh mesh(Web("", "", "") + Ready());
  CHECK_FALSE(mesh.ServiceOf("web/app")->has_waypoint());
  CHECK_FALSE(mesh.WorkloadOf("web/app")->has_waypoint());
  CHECK(mesh.ConditionOf(Kind::kService, "web/app", "istio.io/WaypointBound") == "");
}

TEST_CASE("a label on the service binds it by the name of the waypoint's Service") {
  const Mesh mesh(Web("", "", kUse) + Ready());
  const auto service = mesh.ServiceOf("web/app");
  CHECK(service->waypoint().hostname().namespace_() == "web");
  CHECK(service->waypoint().hostname().hostname() == kHost);
  CHECK(service->waypoint().hbone_mtls_port() == 15008);
  CHECK_FALSE(service->ingress_use_waypoint());
  CHECK_FALSE(mesh.WorkloadOf("web/app")->has_waypoint());
  CHECK(mesh.ConditionOf(Kind::kService, "web/app", "istio.io/WaypointBound") ==
        "True WaypointAccepted");
}

TEST_CASE(
    "a label on the namespace binds its services, and its pods where the waypoint handles "
    "workloads") {
  const Mesh services(Web(kUse, "", "") + Ready());
  CHECK(ServiceWaypoint(services) == kHost);
  CHECK_FALSE(services.WorkloadOf("web/app")->has_waypoint());
  CHECK(services.ConditionOf(Kind::kPod, "web/app", "istio.io/WaypointBound") == "");
  const Mesh all(Web(kUse, "", "") + Ready(", labels: {istio.io/waypoint-for: all}"));
  CHECK(ServiceWaypoint(all) == kHost);
  CHECK(PodWaypoint(all) == kHost);
  const Mesh workload(Web(kUse, "", "") + Ready(", labels: {istio.io/waypoint-for: workload}"));
  CHECK_FALSE(workload.ServiceOf("web/app")->has_waypoint());
  CHECK(PodWaypoint(workload) == kHost);
  const Mesh none(Web(kUse, "", "") + Ready(", labels: {istio.io/waypoint-for: none}"));
  CHECK_FALSE(none.ServiceOf("web/app")->has_waypoint());
}

TEST_CASE("a service may opt out of its namespace's waypoint") {
  CHECK_FALSE(Mesh(Web(kUse, "", "istio.io/use-waypoint: none") + Ready())
                  .ServiceOf("web/app")
                  ->has_waypoint());
}

TEST_CASE("a label of its own never falls back to the namespace") {
  CHECK(ServiceWaypoint(Mesh(Web(kUse, "", "istio.io/use-waypoint: missing") + Ready())) ==
        "missing.web.waypoint.invalid");
}

TEST_CASE("a pod that asks for a waypoint of services only is told so") {
  const Mesh mesh(Web("", kUse, "") + Ready());
  CHECK_FALSE(mesh.WorkloadOf("web/app")->has_waypoint());
  CHECK(mesh.ConditionOf(Kind::kPod, "web/app", "istio.io/WaypointBound") ==
        "False UnsupportedTrafficType");
}

TEST_CASE(
    "a waypoint that is not there makes its service unreachable, or is bypassed where the operator "
    "says so") {
  const Mesh refuse(Web("", "", kUse));
  CHECK(ServiceWaypoint(refuse) == kNowhere);
  CHECK(refuse.ConditionOf(Kind::kService, "web/app", "istio.io/WaypointBound") ==
        "False WaypointIsNotReady");
  const Mesh bypass(Web("", "", kUse),
                    {.missing_waypoint = MeshSettings::MissingWaypoint::kBypass});
  CHECK_FALSE(bypass.ServiceOf("web/app")->has_waypoint());
  CHECK(bypass.ConditionOf(Kind::kService, "web/app", "istio.io/WaypointBound") ==
        "False WaypointIsNotReady");
}

TEST_CASE("a waypoint without pods keeps its name and has no endpoint") {
  const Mesh mesh(Web("", "", kUse) + GatewayYaml("") + kWaypointService);
  CHECK(ServiceWaypoint(mesh) == kHost);
  CHECK(mesh.ConditionOf(Kind::kService, "web/app", "istio.io/WaypointBound") ==
        "False WaypointIsNotReady");
  const Mesh bypass(Web("", "", kUse) + GatewayYaml("") + kWaypointService,
                    {.missing_waypoint = MeshSettings::MissingWaypoint::kBypass});
  CHECK_FALSE(bypass.ServiceOf("web/app")->has_waypoint());
}

TEST_CASE("a waypoint without a Service is reached at its pod") {
  const Mesh mesh(Web("", "", kUse) + GatewayYaml("") + kWaypointPod);
  const auto service = mesh.ServiceOf("web/app");
  CHECK(service->waypoint().address().address() == std::string("\x0a\x00\x00\x09", 4));
  CHECK(ServiceWaypoint(Mesh(Web("", "", kUse) + GatewayYaml(""))) == kNowhere);
}

TEST_CASE("a waypoint of another namespace must allow it") {
  const auto other = [](std::string_view allowed) {
    return Mesh(
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a, "
        "istio.io/use-waypoint: way, "
        "istio.io/use-waypoint-namespace: web}}}\n---\n"
        "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: "
        "{clusterIP: 10.96.0.2}}\n" +
        Ready("", allowed));
  };
  const auto waypoint = [](const Mesh& mesh) {
    return mesh.ServiceOf("shop/cart")->waypoint().hostname().hostname();
  };
  CHECK(waypoint(other("")) == kNowhere);
  CHECK(other("").ConditionOf(Kind::kService, "shop/cart", "istio.io/WaypointBound") ==
        "False AttachmentDenied");
  CHECK(waypoint(other(", allowedRoutes: {namespaces: {from: All}}")) == kHost);
  CHECK(waypoint(other(", allowedRoutes: {namespaces: {from: None}}")) == kNowhere);
  CHECK(
      waypoint(other(
          ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: a}}}}")) ==
      kHost);
  CHECK(
      waypoint(other(
          ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: b}}}}")) ==
      kNowhere);
  CHECK(waypoint(other(
            ", allowedRoutes: {namespaces: {from: Selector, selector: {matchExpressions: [{key: "
            "kubernetes.io/metadata.name, operator: In, values: [shop]}]}}}")) == kHost);
}

TEST_CASE(
    "an account's waypoint takes the pods of the account and the services that select only such "
    "pods") {
  const std::string gateway = Ready(", annotations: {istio.io/for-service-account: app}");
  const Mesh mesh(Web("", "", "") + gateway);
  CHECK(PodWaypoint(mesh) == kHost);
  CHECK(ServiceWaypoint(mesh) == kHost);
  CHECK(mesh.ServiceOf("web/app")->ingress_use_waypoint());
  const std::string stranger =
      "---\n{apiVersion: v1, kind: Pod, metadata: {name: other, namespace: web, labels: {app: x}}, "
      "status: {podIP: 10.0.0.2}}\n";
  const Mesh mixed(Web("", "", "") + gateway + stranger);
  CHECK(PodWaypoint(mixed) == kHost);
  CHECK_FALSE(mixed.ServiceOf("web/app")->has_waypoint());
  CHECK_FALSE(mixed.WorkloadOf("web/other")->has_waypoint());
}

TEST_CASE("a label beats the account's waypoint, which beats the namespace's") {
  const std::string gateway = Ready(", annotations: {istio.io/for-service-account: app}");
  const Mesh opted_out(Web("", "", "istio.io/use-waypoint: none") + gateway);
  CHECK_FALSE(opted_out.ServiceOf("web/app")->has_waypoint());
  CHECK(PodWaypoint(opted_out) == kHost);
  CHECK(ServiceWaypoint(Mesh(Web("istio.io/use-waypoint: missing", "", "") + gateway)) == kHost);
}

TEST_CASE("an account's waypoint concerns only its own namespace") {
  const std::string elsewhere =
      "---\n{apiVersion: v1, kind: Pod, metadata: {name: app, namespace: other}, spec: "
      "{serviceAccountName: app}, status: "
      "{podIP: 10.0.1.1}}\n";
  const Mesh mesh(Web("", "", "") + Ready(", annotations: {istio.io/for-service-account: app}") +
                  elsewhere);
  CHECK_FALSE(mesh.WorkloadOf("other/app")->has_waypoint());
}

TEST_CASE("a waypoint and its Service go through no waypoint") {
  const Mesh mesh(Web(kUse, "", "") + Ready(", labels: {istio.io/waypoint-for: all}"));
  CHECK_FALSE(mesh.WorkloadOf("web/way-1")->has_waypoint());
  CHECK_FALSE(mesh.ServiceOf("web/way-svc")->has_waypoint());
}

TEST_CASE("ingress gateways use the waypoint where a label says so") {
  CHECK(Mesh(Web("", "", "istio.io/use-waypoint: way, istio.io/ingress-use-waypoint: 'true'") +
             Ready())
            .ServiceOf("web/app")
            ->ingress_use_waypoint());
  CHECK(Mesh(Web("istio.io/ingress-use-waypoint: 'true'", "", kUse) + Ready())
            .ServiceOf("web/app")
            ->ingress_use_waypoint());
  CHECK_FALSE(Mesh(Web("", "", "istio.io/ingress-use-waypoint: 'true'") + Ready())
                  .ServiceOf("web/app")
                  ->ingress_use_waypoint());
  const Mesh account(Web("", "", "istio.io/ingress-use-waypoint: 'false'") +
                     Ready(", annotations: {istio.io/for-service-account: app}"));
  CHECK_FALSE(account.ServiceOf("web/app")->ingress_use_waypoint());
}

}  // namespace aquifer::control
