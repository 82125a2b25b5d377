#include "control/deploy/plan.h"

#include <memory>

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

constexpr const char* kWaypoint = "aquifer-waypoint";

Gateway GatewayOf(std::string_view class_name, std::string_view metadata = "",
                  std::string_view spec = "") {
  return ObjectOf<Gateway>(
      "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: gw, namespace: "
      "edge, uid: u-1" +
      std::string(metadata) + "}, spec: {gatewayClassName: " + std::string(class_name) +
      ", listeners: [{name: default, port: 80, protocol: HTTP}, {name: other.port, port: 8080, "
      "protocol: HTTP}, {name: again, port: 80, protocol: HTTP, hostname: a.b}]" +
      std::string(spec) + "}}\n");
}

NameWitness Nobody() {
  NameWitness witness;
  witness.taken = [](DeployedKind, const std::string&) { return false; };
  witness.ours = [](const std::string&) { return false; };
  return witness;
}

Overlays OverlaysOf(const char* key, const char* patch) {
  Json config_map;
  config_map["data"][key] = patch;
  Decoded<Overlays> overlays = ReadOverlays(config_map);
  REQUIRE(overlays.ok());
  return *std::move(overlays);
}

DeploySettings Settings() {
  DeploySettings settings;
  settings.image = "registry.test/aquifer:1";
  settings.control_address = "control.test:15012";
  return settings;
}

// The objects of a Gateway, or why there are none.
class Planned {
 public:
  explicit Planned(const Gateway& gateway, std::vector<Overlays> overlays = {}) {
    const bool waypoint = gateway.class_name == kWaypoint;
    const GatewayRole role = waypoint ? GatewayRole::kWaypoint : GatewayRole::kIngress;
    const auto names = NamesOf(gateway, role, Nobody());
    REQUIRE(names.ok());
    const DeploySettings settings = Settings();
    const MeshSettings mesh;
    std::vector<const Overlays*> order;
    for (const Overlays& one : overlays) order.push_back(&one);
    const DeploymentParts parts{gateway, role, *names, settings, mesh};
    auto plan = PlanGateway(parts, order);
    if (plan.ok()) {
      objects = *std::move(plan);
    } else {
      problem = plan.error();
    }
  }

  const Json& Of(DeployedKind kind) const {
    for (const WantedObject& object : objects) {
      if (object.key.kind == kind) return object.body;
    }
    FAIL("there is no such object");
    return objects.front().body;
  }
  bool Has(DeployedKind kind) const {
    for (const WantedObject& object : objects) {
      if (object.key.kind == kind) return true;
    }
    return false;
  }
  Json At(DeployedKind kind, const char* pointer) const {
    return Of(kind).value(Json::json_pointer(pointer), Json());
  }
  Json Container(const char* pointer) const {
    return At(DeployedKind::kDeployment, "/spec/template/spec/containers")
        .at(0)
        .value(Json::json_pointer(pointer), Json());
  }
  Json Variable(const char* name) const {
    for (const Json& variable : Container("/env")) {
      if (variable["name"] == name) return variable;
    }
    return nullptr;
  }

  std::vector<WantedObject> objects;
  DeployProblem problem;
};

using enum DeployedKind;

}  // namespace

TEST_CASE("a Gateway is deployed as account, Deployment and Service that belong to it") {
  const Planned plan(GatewayOf("aquifer"));
  REQUIRE(plan.objects.size() == 3);
  for (const WantedObject& object : plan.objects) {
    const Json& metadata = object.body["metadata"];
    CHECK(metadata["name"] == "gw-aquifer");
    CHECK(metadata["namespace"] == "edge");
    CHECK(metadata["ownerReferences"] ==
          Json::parse(R"([{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway",
                           "name":"gw","uid":"u-1"}])"));
    CHECK(metadata["labels"]["gateway.networking.k8s.io/gateway-name"] == "gw");
    CHECK(metadata["labels"]["gateway.networking.k8s.io/gateway-class-name"] == "aquifer");
    CHECK(metadata["labels"]["gateway.istio.io/managed"] == "aquifer.io-controller");
    CHECK(HasMarks(object.body, object.marks));
  }
  CHECK(plan.objects[1].key.Path() == "/apis/apps/v1/namespaces/edge/deployments/gw-aquifer");
  CHECK(plan.At(kDeployment, "/spec/selector/matchLabels") ==
        Json{{"gateway.networking.k8s.io/gateway-name", "gw"}});
}

TEST_CASE("the pod is told who it is and where the control plane is") {
  const Planned plan(GatewayOf("aquifer"));
  CHECK(plan.Container("/image") == "registry.test/aquifer:1");
  CHECK(plan.Variable("GATEWAY_NAME")["value"] == "gw");
  CHECK(plan.Variable("XDS_ADDRESS")["value"] == "control.test:15012");
  CHECK(plan.Variable("CA_ADDRESS")["value"] == "control.test:15012");
  CHECK(plan.Variable("TRUST_DOMAIN")["value"] == "cluster.local");
  const auto field = [&](const char* name) {
    return plan.Variable(name)["valueFrom"]["fieldRef"]["fieldPath"];
  };
  CHECK(field("POD_NAME") == "metadata.name");
  CHECK(field("POD_NAMESPACE") == "metadata.namespace");
  CHECK(field("SERVICE_ACCOUNT") == "spec.serviceAccountName");
  CHECK(field("INSTANCE_IP") == "status.podIP");
  CHECK(plan.Variable("NETWORK").is_null());
  CHECK(plan.At(kDeployment, "/spec/template/spec/serviceAccountName") == "gw-aquifer");
  CHECK(plan.At(kDeployment, "/spec/template/spec/volumes/0/configMap/name") ==
        "istio-ca-root-cert");
  CHECK(plan.At(kDeployment,
                "/spec/template/spec/volumes/1/projected/sources/0/serviceAccountToken/audience") ==
        "istio-ca");
}

TEST_CASE("the pod has no more rights than it needs") {
  const Planned plan(GatewayOf("aquifer"));
  CHECK(plan.Container("/securityContext/capabilities/drop") == Json::array({"ALL"}));
  CHECK(plan.Container("/securityContext/capabilities/add").is_null());
  CHECK(plan.Container("/securityContext/allowPrivilegeEscalation") == false);
  CHECK(plan.Container("/securityContext/readOnlyRootFilesystem") == true);
  CHECK(plan.Container("/securityContext/runAsNonRoot") == true);
  CHECK(plan.At(kDeployment, "/spec/template/spec/automountServiceAccountToken") == false);
  CHECK(plan.At(kDeployment, "/spec/template/spec/securityContext/seccompProfile/type") ==
        "RuntimeDefault");
  CHECK(plan.Container("/readinessProbe/httpGet/port") == 15021);
  CHECK(plan.Container("/lifecycle/preStop/sleep/seconds") == 5);
}

TEST_CASE("a gateway may bind low ports by a sysctl, a waypoint need not") {
  CHECK(Planned(GatewayOf("aquifer"))
            .At(kDeployment, "/spec/template/spec/securityContext/sysctls/0/name") ==
        "net.ipv4.ip_unprivileged_port_start");
  CHECK(Planned(GatewayOf(kWaypoint))
            .At(kDeployment, "/spec/template/spec/securityContext/sysctls")
            .is_null());
}

TEST_CASE("pods of gateways are neither captured nor given a sidecar") {
  const auto labels = [](const Gateway& gateway) {
    return Planned(gateway).At(kDeployment, "/spec/template/metadata/labels");
  };
  const Json plain = labels(GatewayOf("aquifer"));
  CHECK(plain["istio.io/dataplane-mode"] == "none");
  CHECK(plain["sidecar.istio.io/inject"] == "false");
  const char* const captured = ", labels: {istio.io/dataplane-mode: ambient}";
  CHECK(labels(GatewayOf("aquifer", captured))["istio.io/dataplane-mode"] == "ambient");
  CHECK(labels(GatewayOf(kWaypoint, captured))["istio.io/dataplane-mode"] == "none");
}

TEST_CASE("labels and annotations of the Gateway are handed on, but for those about it") {
  const Planned plan(GatewayOf(
      "aquifer",
      ", labels: {team: edge, gateway.istio.io/managed: forged, gateway.networking.k8s.io/x: z}"
      ", annotations: {cloud/lb: internal, kubectl.kubernetes.io/last-applied-configuration: x, "
      "aquifer.io/applied: forged}"));
  for (const char* place : {"/metadata", "/spec/template/metadata"}) {
    const Json metadata = plan.At(kDeployment, place);
    CHECK(metadata["labels"]["team"] == "edge");
    CHECK(metadata["labels"]["gateway.istio.io/managed"] == "aquifer.io-controller");
    CHECK_FALSE(metadata["labels"].contains("gateway.networking.k8s.io/x"));
    CHECK(metadata["annotations"]["cloud/lb"] == "internal");
    CHECK_FALSE(
        metadata["annotations"].contains("kubectl.kubernetes.io/last-applied-configuration"));
  }
  CHECK(plan.At(kService, "/metadata/annotations")["cloud/lb"] == "internal");
  CHECK(plan.At(kService, "/metadata/annotations")["aquifer.io/applied"] != "forged");
}

TEST_CASE("what spec.infrastructure says is handed on instead") {
  const Planned plan(GatewayOf(
      "aquifer", ", labels: {team: edge}, annotations: {a: b}",
      ", infrastructure: {labels: {cost: high, gateway.networking.k8s.io/gateway-name: forged}}"));
  const Json labels = plan.At(kService, "/metadata/labels");
  CHECK(labels["cost"] == "high");
  CHECK_FALSE(labels.contains("team"));
  CHECK(labels["gateway.networking.k8s.io/gateway-name"] == "gw");
  CHECK(plan.At(kService, "/metadata/annotations")["a"] == "b");
}

TEST_CASE("the Service has readiness and each port of the listeners once") {
  const Json ports = Planned(GatewayOf("aquifer")).At(kService, "/spec/ports");
  REQUIRE(ports.size() == 3);
  CHECK(ports[0]["name"] == "status-port");
  CHECK(ports[0]["port"] == 15021);
  CHECK(ports[1] == Json{{"name", "default"},
                         {"port", 80},
                         {"targetPort", 80},
                         {"protocol", "TCP"},
                         {"appProtocol", "http"}});
  CHECK(ports[2]["name"] == "other-port");
}

TEST_CASE("names of ports that become alike are told apart") {
  const std::string longest(70, 'x');
  const Gateway gateway = ObjectOf<Gateway>(
      "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: gw}, spec: "
      "{gatewayClassName: aquifer, listeners: [{name: a.b, port: 1, protocol: HTTP}, {name: a-b, "
      "port: 2, protocol: HTTP}, {name: " +
      longest + "a, port: 3, protocol: HTTP}, {name: " + longest +
      "b, port: 4, protocol: HTTP}]}}\n");
  const Json ports = Planned(gateway).At(kService, "/spec/ports");
  REQUIRE(ports.size() == 5);
  CHECK(ports[1]["name"] == "a-b");
  CHECK(ports[2]["name"] == "a-b-1");
  CHECK(ports[3]["name"] == std::string(63, 'x'));
  CHECK(ports[4]["name"] == std::string(61, 'x') + "-1");
}

TEST_CASE("the type of the Service is the annotation's, else by class") {
  const auto type = [](const Gateway& gateway) {
    return Planned(gateway).At(kService, "/spec/type");
  };
  CHECK(type(GatewayOf("aquifer")) == "LoadBalancer");
  CHECK(type(GatewayOf(kWaypoint)) == "ClusterIP");
  CHECK(type(GatewayOf("aquifer", ", annotations: {networking.istio.io/service-type: NodePort}")) ==
        "NodePort");
  const Planned bad(
      GatewayOf("aquifer", ", annotations: {networking.istio.io/service-type: Fast}"));
  CHECK(bad.problem.reason == "InvalidParameters");
  CHECK(bad.objects.empty());
}

TEST_CASE("an address becomes loadBalancerIP of a LoadBalancer only") {
  const auto address = [](const char* value, const char* metadata = "") {
    return Planned(
               GatewayOf("aquifer", metadata,
                         ", addresses: [{type: IPAddress, value: '" + std::string(value) + "'}]"))
        .At(kService, "/spec/loadBalancerIP");
  };
  CHECK(address("192.0.2.7") == "192.0.2.7");
  CHECK(address("").is_null());
  CHECK(address("here").is_null());
  CHECK(address("192.0.2.7", ", annotations: {networking.istio.io/service-type: ClusterIP}")
            .is_null());
}

TEST_CASE("a waypoint's Service prefers what is near and both families") {
  const Planned plan(GatewayOf(kWaypoint));
  CHECK(plan.At(kService, "/spec/ipFamilyPolicy") == "PreferDualStack");
  CHECK(plan.At(kService, "/metadata/annotations")["networking.istio.io/traffic-distribution"] ==
        "PreferClose");
}

TEST_CASE("an overlay changes what it names, the Gateway's after the class's") {
  const Planned plan(
      GatewayOf("aquifer"),
      {OverlaysOf("deployment",
                  "spec: {replicas: 2, template: {spec: {containers: [{name: istio-proxy, "
                  "resources: {limits: {memory: 2Gi}}, env: [{name: EXTRA, value: x}]}]}}}"),
       OverlaysOf("deployment", "spec: {replicas: 3}")});
  CHECK(plan.At(kDeployment, "/spec/replicas") == 3);
  CHECK(plan.Container("/resources/limits/memory") == "2Gi");
  CHECK(plan.Container("/resources/limits/cpu") == "2");
  CHECK(plan.Variable("EXTRA")["value"] == "x");
  CHECK(plan.Variable("GATEWAY_NAME")["value"] == "gw");
  CHECK_FALSE(plan.Has(kHorizontalPodAutoscaler));
  CHECK_FALSE(plan.Has(kPodDisruptionBudget));
}

TEST_CASE("an autoscaler and a disruption budget are there when an overlay speaks of them") {
  const Planned plan(GatewayOf("aquifer"),
                     {OverlaysOf("horizontalPodAutoscaler", "spec: {maxReplicas: 5}"),
                      OverlaysOf("podDisruptionBudget", "spec: {minAvailable: 1}")});
  CHECK(plan.At(kHorizontalPodAutoscaler, "/spec/maxReplicas") == 5);
  CHECK(plan.At(kHorizontalPodAutoscaler, "/spec/scaleTargetRef/name") == "gw-aquifer");
  CHECK(plan.At(kHorizontalPodAutoscaler, "/apiVersion") == "autoscaling/v2");
  CHECK(plan.At(kPodDisruptionBudget, "/spec/minAvailable") == 1);
  CHECK(plan.At(kPodDisruptionBudget, "/spec/selector/matchLabels").size() == 1);
}

TEST_CASE("no overlay takes an object from its Gateway") {
  const Planned plan(
      GatewayOf("aquifer"),
      {OverlaysOf("deployment",
                  "{metadata: {labels: {gateway.istio.io/managed: x}}, spec: {template: {metadata: "
                  "{labels: {gateway.networking.k8s.io/gateway-name: x}}}}}")});
  CHECK(plan.At(kDeployment, "/metadata/labels")["gateway.istio.io/managed"] ==
        "aquifer.io-controller");
  CHECK(plan.At(kDeployment,
                "/spec/template/metadata/labels")["gateway.networking.k8s.io/gateway-name"] ==
        "gw");
  const Planned broken(
      GatewayOf("aquifer"),
      {OverlaysOf("deployment", "spec: {template: {$patch: replace, metadata: x}}")});
  CHECK(broken.problem.reason == "InvalidParameters");
}

TEST_CASE("equal wishes have equal hashes and others have not") {
  const auto hash = [](const Planned& plan) {
    return plan.At(kService, "/metadata/annotations")["aquifer.io/applied"];
  };
  CHECK(hash(Planned(GatewayOf("aquifer"))) == hash(Planned(GatewayOf("aquifer"))));
  CHECK(hash(Planned(GatewayOf("aquifer"))) !=
        hash(Planned(GatewayOf("aquifer", ", labels: {a: b}"))));
}

TEST_CASE("a Gateway with an account of its own brings none") {
  const Planned plan(
      GatewayOf("aquifer", ", annotations: {gateway.istio.io/service-account: edge}"));
  CHECK_FALSE(plan.Has(kServiceAccount));
  CHECK(plan.At(kDeployment, "/spec/template/spec/serviceAccountName") == "edge");
}

TEST_CASE("the root's ConfigMap is marked as ours") {
  const WantedObject root = RootConfigMap("web", "roots", "PEM");
  CHECK(root.key.Path() == "/api/v1/namespaces/web/configmaps/roots");
  CHECK(root.body["data"]["root-cert.pem"] == "PEM");
  CHECK(root.body["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "aquifer-control");
}

}  // namespace aquifer::control
