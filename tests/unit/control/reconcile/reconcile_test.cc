// The first walk-through as a whole, step by step (manifests/examples/000-gateway-api).
#include "control/reconcile/reconcile.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

const std::string kApplication = R"(
---
apiVersion: v1
kind: Namespace
metadata:
  name: default
  labels:
    istio.io/dataplane-mode: ambient
---
apiVersion: v1
kind: Namespace
metadata:
  name: istio-system
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: httpbin
  namespace: default
---
apiVersion: v1
kind: Service
metadata:
  name: httpbin
  namespace: default
  labels:
    app: httpbin
spec:
  clusterIP: 10.96.0.80
  selector:
    app: httpbin
  ports:
  - name: http
    port: 8000
    targetPort: 80
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: istio-ingressgateway
  namespace: istio-system
---
apiVersion: v1
kind: Service
metadata:
  name: istio-ingressgateway
  namespace: istio-system
spec:
  clusterIP: 10.96.0.10
  selector:
    istio: ingressgateway
  ports:
  - name: http
    port: 80
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: httpbin-istio-waypoint
  namespace: default
---
apiVersion: v1
kind: Service
metadata:
  name: httpbin-istio-waypoint
  namespace: default
  labels:
    gateway.networking.k8s.io/gateway-name: httpbin
spec:
  clusterIP: 10.96.0.15
  selector:
    gateway.networking.k8s.io/gateway-name: httpbin
  ports:
  - name: mesh
    port: 15008
    appProtocol: hbone
---
# The pods of the walk-through on two nodes. Their addresses are where the programs really are:
# replace this file by one of your own if yours are elsewhere.
apiVersion: v1
kind: Pod
metadata:
  name: httpbin
  namespace: default
  labels:
    app: httpbin
    version: v1
spec:
  serviceAccountName: httpbin
  nodeName: node-b
  containers:
  - name: httpbin
    ports:
    - name: http
      containerPort: 80
status:
  phase: Running
  podIP: 10.244.2.10
---
apiVersion: v1
kind: Pod
metadata:
  name: inventory
  namespace: default
  labels:
    app: inventory
spec:
  serviceAccountName: inventory
  nodeName: node-b
  containers:
  - name: inventory
    ports:
    - name: http
      containerPort: 80
status:
  phase: Running
  podIP: 10.244.2.20
---
apiVersion: v1
kind: Pod
metadata:
  name: curl
  namespace: default
  labels:
    app: curl
spec:
  serviceAccountName: curl
  nodeName: node-a
  containers:
  - name: curl
status:
  phase: Running
  podIP: 10.244.1.10
---
apiVersion: v1
kind: Pod
metadata:
  name: intruder
  namespace: default
  labels:
    app: intruder
spec:
  serviceAccountName: intruder
  nodeName: node-a
  containers:
  - name: intruder
status:
  phase: Running
  podIP: 10.244.1.20
---
apiVersion: v1
kind: Pod
metadata:
  name: httpbin-istio-waypoint
  namespace: default
  labels:
    gateway.networking.k8s.io/gateway-name: httpbin
    istio.io/dataplane-mode: none
spec:
  serviceAccountName: httpbin-istio-waypoint
  nodeName: node-b
  containers:
  - name: httpbin-istio-waypoint
    ports:
    - name: mesh
      containerPort: 15008
status:
  phase: Running
  podIP: 10.244.2.15
---
apiVersion: v1
kind: Pod
metadata:
  name: istio-ingressgateway
  namespace: istio-system
  labels:
    istio: ingressgateway
    istio.io/dataplane-mode: none
spec:
  serviceAccountName: istio-ingressgateway
  nodeName: node-a
  containers:
  - name: istio-ingressgateway
    ports:
    - name: http
      containerPort: 80
status:
  phase: Running
  podIP: 10.244.1.5
)";

const std::string kGateway = R"(---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: Gateway
metadata:
  name: gateway
  namespace: istio-system
spec:
  addresses:
  - type: Hostname
    value: istio-ingressgateway.istio-system.svc.cluster.local
  gatewayClassName: istio
  listeners:
  - allowedRoutes:
      namespaces:
        from: All
    hostname: '*.aliyun.com'
    name: default
    port: 80
    protocol: HTTP
)";

const std::string kRoute = R"(---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: HTTPRoute
metadata:
  name: http
  namespace: default
spec:
  hostnames:
  - '*.aliyun.com'
  parentRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: gateway
    namespace: istio-system
  rules:
  - backendRefs:
    - group: ""
      kind: Service
      name: httpbin
      port: 8000
      weight: 1
    matches:
    - path:
        type: PathPrefix
        value: /
)";

const std::string kWaypoint = R"(---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: Gateway
metadata:
  annotations:
    istio.io/for-service-account: httpbin
  name: httpbin
  namespace: default
spec:
  gatewayClassName: istio-waypoint
  listeners:
  - allowedRoutes:
      namespaces:
        from: Same
    name: mesh
    port: 15008
    protocol: HBONE
)";

const std::string kPolicy = R"(---
apiVersion: security.istio.io/v1beta1
kind: AuthorizationPolicy
metadata:
  name: authz-test
  namespace: default
spec:
  targetRef:
    name: httpbin
    kind: Gateway
    group: "gateway.networking.k8s.io"
  action: DENY
  rules:
  - to:
    - operation:
        paths:
        - "/status/418"
)";

const char* const kWaypointHost = "httpbin-istio-waypoint.default.svc.cluster.local";

std::vector<std::string> GatewaysOf(const Mesh& mesh, ResourceType type, const std::string& name) {
  const Resource* resource = mesh.ResourceOf(type, name);
  REQUIRE(resource != nullptr);
  return resource->gateways;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("step one: the application is enrolled, the gateways are not") {
  const Mesh mesh(kApplication);
  CHECK(mesh.WorkloadOf("default/httpbin")->tunnel_protocol() == istio::workload::HBONE);
  CHECK(mesh.WorkloadOf("default/curl")->tunnel_protocol() == istio::workload::HBONE);
  CHECK(mesh.WorkloadOf("default/httpbin-istio-waypoint")->tunnel_protocol() ==
        istio::workload::NONE);
  CHECK(mesh.WorkloadOf("istio-system/istio-ingressgateway")->tunnel_protocol() ==
        istio::workload::NONE);
  CHECK_FALSE(mesh.ServiceOf("default/httpbin")->has_waypoint());
}

TEST_CASE("step two: the Gateway is served by the pods behind the Service that it names") {
  const Mesh mesh(kApplication + kGateway);
  CHECK(mesh.ConditionOf(Kind::kGateway, "istio-system/gateway", "Programmed") ==
        "True Programmed");
  const auto gateway = mesh.GatewayOf("istio-system/gateway");
  CHECK(gateway->service_account() == "istio-ingressgateway");
  CHECK_FALSE(gateway->is_waypoint());
  REQUIRE(gateway->listeners_size() == 1);
  CHECK(gateway->listeners(0).hostname() == "*.aliyun.com");
  CHECK(gateway->listeners(0).port() == 80);
}

TEST_CASE("step three: the route of another namespace is attached and its backend resolves") {
  const Mesh mesh(kApplication + kGateway + kRoute);
  CHECK(mesh.ParentConditionOf("default/http", 0, "Accepted") == "True Accepted");
  CHECK(mesh.ParentConditionOf("default/http", 0, "ResolvedRefs") == "True ResolvedRefs");
  CHECK(GatewaysOf(mesh, ResourceType::kHttpRoute, "default/http") ==
        Names{"istio-system/gateway"});
  CHECK(mesh.RouteOf("default/http")->rules(0).backends(0).service().hostname() ==
        "httpbin.default.svc.cluster.local");
  CHECK(mesh.StatusOf(Kind::kGateway, "istio-system/gateway")->listeners[0].attached_routes == 1);
}

TEST_CASE(
    "step four: the waypoint named as the application takes pod, service and ingress traffic") {
  const Mesh mesh(kApplication + kGateway + kRoute + kWaypoint);
  CHECK(mesh.ServiceOf("default/httpbin")->waypoint().hostname().hostname() == kWaypointHost);
  CHECK(mesh.ServiceOf("default/httpbin")->ingress_use_waypoint());
  CHECK(mesh.WorkloadOf("default/httpbin")->waypoint().hostname().hostname() == kWaypointHost);
  CHECK_FALSE(mesh.WorkloadOf("default/curl")->has_waypoint());
  CHECK_FALSE(mesh.WorkloadOf("default/httpbin-istio-waypoint")->has_waypoint());
  const auto gateway = mesh.GatewayOf("default/httpbin");
  CHECK(gateway->is_waypoint());
  CHECK(gateway->service_account() == "httpbin-istio-waypoint");
  CHECK(gateway->waypoint_for() == mesh::v1::WAYPOINT_FOR_ALL);
  CHECK(gateway->addresses(0) == kWaypointHost);
  CHECK(mesh.ConditionOf(Kind::kGateway, "default/httpbin", "Programmed") == "True Programmed");
}

TEST_CASE("step five: the policy goes to the waypoint and nowhere else") {
  const Mesh mesh(kApplication + kGateway + kRoute + kWaypoint + kPolicy);
  CHECK(mesh.ConditionOf(Kind::kAuthorizationPolicy, "default/authz-test", "WaypointAccepted") ==
        "True Accepted");
  CHECK(GatewaysOf(mesh, ResourceType::kAuthorizationPolicy, "default/authz-test") ==
        Names{"default/httpbin"});
  CHECK_FALSE(mesh.PolicyOf("default/authz-test").has_value());
  const auto policy = mesh.RequestPolicyOf("default/authz-test");
  CHECK(policy->action() == mesh::v1::AUTHORIZATION_ACTION_DENY);
  CHECK(policy->rules(0).to(0).paths(0) == "/status/418");
}

TEST_CASE("a policy that comes before its waypoint says that it has no target yet") {
  const Mesh mesh(kApplication + kPolicy);
  CHECK(mesh.ConditionOf(Kind::kAuthorizationPolicy, "default/authz-test", "WaypointAccepted") ==
        "False TargetNotFound");
}

}  // namespace aquifer::control
