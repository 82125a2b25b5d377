#include "control/reconcile/gateways.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

std::string GatewayYaml(std::string_view spec, std::string_view metadata = "") {
  return "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: gw, "
         "namespace: edge" +
         std::string(metadata) + "}, spec: {" + std::string(spec) + "}}\n";
}

const char* const kHttp =
    "gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]";
const char* const kHbone =
    "gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]";

std::string PodYaml(std::string_view labels) {
  return "---\n{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: edge, labels: {" +
         std::string(labels) +
         "}}, spec: {serviceAccountName: edge-sa}, status: {podIP: 10.0.0.5}}\n";
}
std::string ServiceYaml(std::string_view name, std::string_view metadata, std::string_view spec) {
  return "---\n{apiVersion: v1, kind: Service, metadata: {name: " + std::string(name) +
         ", namespace: edge" + std::string(metadata) + "}, spec: {clusterIP: 10.96.0.5" +
         std::string(spec) + "}}\n";
}

const std::string kNamed = "gateway.networking.k8s.io/gateway-name: gw";

std::vector<std::string> Addresses(const Mesh& mesh) {
  std::vector<std::string> addresses;
  for (const StatusAddress& address : mesh.StatusOf(Kind::kGateway, "edge/gw")->addresses) {
    addresses.push_back(address.type + " " + address.value);
  }
  return addresses;
}

std::string ListenerCondition(const Mesh& mesh, size_t listener, std::string_view type) {
  const Condition* condition = FindCondition(
      mesh.StatusOf(Kind::kGateway, "edge/gw")->listeners.at(listener).conditions, type);
  return condition == nullptr ? "" : (condition->status ? "True " : "False ") + condition->reason;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a Gateway of a foreign class is none of our business") {
  const Mesh mesh(
      GatewayYaml("gatewayClassName: nginx, listeners: [{name: a, port: 80, protocol: HTTP}]"));
  CHECK_FALSE(mesh.GatewayOf("edge/gw").has_value());
  CHECK(mesh.StatusOf(Kind::kGateway, "edge/gw") == nullptr);
}

TEST_CASE("a GatewayClass object decides who serves its Gateways") {
  const auto with = [](std::string_view name, std::string_view controller) {
    return Mesh(
        GatewayYaml("gatewayClassName: " + std::string(name) +
                    ", listeners: [{name: a, port: 80, protocol: HTTP}]") +
        "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: " +
        std::string(name) + "}, spec: {controllerName: " + std::string(controller) + "}}\n");
  };
  CHECK(with("mine", "istio.io/gateway-controller").GatewayOf("edge/gw").has_value());
  CHECK(with("mine", "aquifer.dev/waypoint-controller").GatewayOf("edge/gw")->is_waypoint());
  CHECK_FALSE(with("istio", "example.com/other").GatewayOf("edge/gw").has_value());
}

TEST_CASE("a gateway's pods carry its name and its Service follows the convention") {
  const Mesh mesh(GatewayYaml(kHttp) + PodYaml(kNamed) + ServiceYaml("gw-istio", "", ""));
  const auto gateway = mesh.GatewayOf("edge/gw");
  CHECK(gateway->service_account() == "edge-sa");
  CHECK_FALSE(gateway->is_waypoint());
  CHECK(gateway->class_name() == "istio");
  CHECK(Texts(gateway->addresses().begin(), gateway->addresses().end()) ==
        Texts{"gw-istio.edge.svc.cluster.local", "10.96.0.5", "10.0.0.5"});
  CHECK(mesh.ConditionOf(Kind::kGateway, "edge/gw", "Accepted") == "True Accepted");
  CHECK(mesh.ConditionOf(Kind::kGateway, "edge/gw", "Programmed") == "True Programmed");
  CHECK(mesh.ConditionOf(Kind::kGateway, "edge/gw", "Ready") == "True Ready");
  CHECK(Addresses(mesh) == Texts{"Hostname gw-istio.edge.svc.cluster.local"});
}

TEST_CASE("a Gateway without a ready pod has no address") {
  const Mesh mesh(GatewayYaml(kHttp) + ServiceYaml("gw-istio", "", ""));
  CHECK(mesh.ConditionOf(Kind::kGateway, "edge/gw", "Accepted") == "True Accepted");
  CHECK(mesh.ConditionOf(Kind::kGateway, "edge/gw", "Programmed") == "False AddressNotAssigned");
  CHECK(Addresses(mesh).empty());
  CHECK(mesh.GatewayOf("edge/gw").has_value());
}

TEST_CASE("a Gateway is not programmed before its balancer has an address") {
  const auto with = [](std::string_view status) {
    return Mesh(GatewayYaml(kHttp) + PodYaml(kNamed) +
                "---\n{apiVersion: v1, kind: Service, metadata: {name: gw-istio, namespace: edge}, "
                "spec: {type: LoadBalancer, clusterIP: 10.96.0.5}, status: {loadBalancer: {" +
                std::string(status) + "}}}\n");
  };
  const Mesh pending = with("");
  for (const char* condition : {"Programmed", "Ready"}) {
    CHECK(pending.ConditionOf(Kind::kGateway, "edge/gw", condition) == "False AddressNotAssigned");
  }
  CHECK(ListenerCondition(pending, 0, "Programmed") == "False Pending");
  CHECK(Addresses(pending) == Texts{"Hostname gw-istio.edge.svc.cluster.local"});
  const Mesh assigned = with("ingress: [{ip: 192.0.2.1}]");
  CHECK(assigned.ConditionOf(Kind::kGateway, "edge/gw", "Ready") == "True Ready");
  CHECK(with("ingress: [{hostname: lb.example.com}]")
            .ConditionOf(Kind::kGateway, "edge/gw", "Programmed") == "True Programmed");
}

TEST_CASE("a balancer's addresses are what clients use") {
  const std::string service =
      "---\n{apiVersion: v1, kind: Service, metadata: {name: gw-istio, namespace: edge}, spec: "
      "{clusterIP: 10.96.0.5}, status: "
      "{loadBalancer: {ingress: [{ip: 192.0.2.1}, {hostname: lb.example.com}]}}}\n";
  CHECK(Addresses(Mesh(GatewayYaml(kHttp) + PodYaml(kNamed) + service)) ==
        Texts{"IPAddress 192.0.2.1", "Hostname lb.example.com"});
}

TEST_CASE("a Gateway with more addresses than its status can hold says so") {
  std::string pods;
  for (int i = 1; i <= 20; ++i) {
    pods += "---\n{apiVersion: v1, kind: Pod, metadata: {name: p" + std::to_string(i) +
            ", namespace: edge, labels: {" + kNamed + "}}, status: {podIP: 10.0.0." +
            std::to_string(i) + "}}\n";
  }
  const Mesh mesh(GatewayYaml(kHttp) + pods);
  CHECK(Addresses(mesh).size() == 16);
  CHECK(mesh.ConditionOf(Kind::kGateway, "edge/gw", "Programmed") == "True Programmed");
  CHECK(
      FindCondition(mesh.StatusOf(Kind::kGateway, "edge/gw")->conditions, "Programmed")->message ==
      "16 of 20 addresses are listed");
}

TEST_CASE(
    "a labelled Service beats the name, and the application's Service of the same name is left "
    "alone") {
  const Mesh labelled(GatewayYaml(kHbone) + PodYaml(kNamed) +
                      ServiceYaml("front", ", labels: {" + kNamed + "}", "") +
                      ServiceYaml("gw-istio-waypoint", "", ""));
  CHECK(labelled.GatewayOf("edge/gw")->addresses(0) == "front.edge.svc.cluster.local");
  const Mesh suffixed(GatewayYaml(kHbone) + PodYaml(kNamed) +
                      ServiceYaml("gw", "", ", selector: {app: gw}") +
                      ServiceYaml("gw-istio-waypoint", "", ""));
  CHECK(suffixed.GatewayOf("edge/gw")->addresses(0) == "gw-istio-waypoint.edge.svc.cluster.local");
  const Mesh application(GatewayYaml(kHbone) + PodYaml(kNamed) +
                         ServiceYaml("gw", "", ", selector: {app: gw}"));
  CHECK(application.GatewayOf("edge/gw")->addresses(0) == "10.0.0.5");
  const Mesh own(GatewayYaml(kHbone) + PodYaml(kNamed) +
                 ServiceYaml("gw", "", ", selector: {" + kNamed + "}"));
  CHECK(own.GatewayOf("edge/gw")->addresses(0) == "gw.edge.svc.cluster.local");
}

TEST_CASE("a Hostname address links a Gateway to the proxies behind that Service") {
  const auto with = [](std::string_view value) {
    return Mesh(GatewayYaml(std::string(kHttp) +
                            ", addresses: [{type: Hostname, value: " + std::string(value) + "}]") +
                PodYaml("istio: ingressgateway") +
                ServiceYaml("istio-ingressgateway", "", ", selector: {istio: ingressgateway}"));
  };
  for (const char* good : {"istio-ingressgateway.edge.svc.cluster.local", "istio-ingressgateway"}) {
    CHECK(with(good).ConditionOf(Kind::kGateway, "edge/gw", "Programmed") == "True Programmed");
    CHECK(with(good).GatewayOf("edge/gw")->service_account() == "edge-sa");
  }
  CHECK(with("istio-ingressgateway.other.svc.cluster.local")
            .ConditionOf(Kind::kGateway, "edge/gw", "Accepted") == "False UnsupportedAddress");
  CHECK(with("missing").ConditionOf(Kind::kGateway, "edge/gw", "Programmed") ==
        "False AddressNotAssigned");
}

TEST_CASE("addresses of other types are not supported") {
  const Mesh mesh(
      GatewayYaml(std::string(kHttp) + ", addresses: [{type: example.com/x, value: y}]"));
  CHECK(mesh.ConditionOf(Kind::kGateway, "edge/gw", "Accepted") == "False UnsupportedAddress");
  CHECK(mesh.ConditionOf(Kind::kGateway, "edge/gw", "Programmed") == "False Invalid");
}

TEST_CASE("a waypoint shows name and address, is found by the old label, and says its scope") {
  const Mesh mesh(GatewayYaml(kHbone, ", annotations: {istio.io/for-service-account: a}") +
                  PodYaml("istio.io/gateway-name: gw") + ServiceYaml("gw-istio-waypoint", "", ""));
  CHECK(Addresses(mesh) ==
        Texts{"Hostname gw-istio-waypoint.edge.svc.cluster.local", "IPAddress 10.96.0.5"});
  CHECK(mesh.GatewayOf("edge/gw")->waypoint_for() == mesh::v1::WAYPOINT_FOR_ALL);
  CHECK(mesh.GatewayOf("edge/gw")->listeners(0).protocol() == mesh::v1::LISTENER_PROTOCOL_HBONE);
  CHECK(Mesh(GatewayYaml(kHbone)).GatewayOf("edge/gw")->waypoint_for() ==
        mesh::v1::WAYPOINT_FOR_SERVICE);
}

TEST_CASE("each class serves its protocols, spelt in capitals") {
  const auto with = [](std::string_view gateway_class, std::string_view listener) {
    return Mesh(GatewayYaml("gatewayClassName: " + std::string(gateway_class) + ", listeners: [" +
                            std::string(listener) + "]"));
  };
  CHECK(ListenerCondition(with("istio", "{name: a, port: 80, protocol: HTTP}"), 0, "Accepted") ==
        "True Accepted");
  for (const char* protocol : {"HBONE", "http", "udp", "example.com/x"}) {
    const Mesh mesh = with("istio", "{name: a, port: 80, protocol: " + std::string(protocol) + "}");
    CHECK(ListenerCondition(mesh, 0, "Accepted") == "False UnsupportedProtocol");
    CHECK(mesh.ConditionOf(Kind::kGateway, "edge/gw", "Accepted") == "False ListenersNotValid");
    CHECK(mesh.GatewayOf("edge/gw")->listeners_size() == 0);
  }
  CHECK(ListenerCondition(with("istio-waypoint", "{name: a, port: 80, protocol: HTTP}"), 0,
                          "Accepted") == "False UnsupportedProtocol");
  CHECK(ListenerCondition(with("istio-waypoint", "{name: a, port: 15009, protocol: HBONE}"), 0,
                          "Accepted") == "False UnsupportedProtocol");
}

TEST_CASE("of two listeners that want the same name neither wins") {
  const Mesh mesh(
      GatewayYaml("gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP}, "
                  "{name: b, port: 80, protocol: HTTP}, {name: c, "
                  "port: 80, protocol: HTTP, hostname: x.com}]"));
  CHECK(ListenerCondition(mesh, 0, "Conflicted") == "True HostnameConflict");
  CHECK(ListenerCondition(mesh, 1, "Accepted") == "False HostnameConflict");
  CHECK(ListenerCondition(mesh, 2, "Accepted") == "True Accepted");
  CHECK(mesh.ConditionOf(Kind::kGateway, "edge/gw", "Accepted") == "True ListenersNotValid");
  REQUIRE(mesh.GatewayOf("edge/gw")->listeners_size() == 1);
  CHECK(mesh.GatewayOf("edge/gw")->listeners(0).name() == "c");
}

TEST_CASE("listeners that nothing but their port tells apart conflict by protocol") {
  const auto conflicts = [](std::string_view a, std::string_view b) {
    const Mesh mesh(GatewayYaml("gatewayClassName: istio, listeners: [{name: a, port: 80, " +
                                std::string(a) + "}, {name: b, port: 80, " + std::string(b) +
                                "}]"));
    CHECK(ListenerCondition(mesh, 0, "Conflicted") == ListenerCondition(mesh, 1, "Conflicted"));
    return ListenerCondition(mesh, 0, "Conflicted");
  };
  const std::string passed = "protocol: TLS, tls: {mode: Passthrough}";
  CHECK(conflicts("protocol: HTTP", "protocol: TCP") == "True ProtocolConflict");
  CHECK(conflicts("protocol: TCP", "protocol: TCP, hostname: a.com") == "True ProtocolConflict");
  CHECK(conflicts("protocol: HTTP, hostname: a.com", passed + ", hostname: b.com") ==
        "True ProtocolConflict");
  CHECK(conflicts(passed + ", hostname: a.com", "protocol: TLS, hostname: b.com") ==
        "True ProtocolConflict");
  CHECK(conflicts(passed + ", hostname: a.com", passed + ", hostname: a.com") ==
        "True HostnameConflict");
  CHECK(conflicts(passed + ", hostname: a.com", passed + ", hostname: b.com") == "");
  CHECK(conflicts("protocol: TCP", "protocol: UDP") == "");
  CHECK(conflicts("protocol: HTTP", "protocol: example.com/x") == "");
}

TEST_CASE("TLS is passed through and not terminated") {
  const auto accepted = [](std::string_view tls) {
    return ListenerCondition(Mesh(GatewayYaml("gatewayClassName: istio, listeners: [{name: a, "
                                              "port: 443, protocol: TLS" +
                                              std::string(tls) + "}]")),
                             0, "Accepted");
  };
  CHECK(accepted(", tls: {mode: Passthrough}") == "True Accepted");
  CHECK(accepted(", tls: {mode: Terminate}") == "False UnsupportedValue");
  CHECK(accepted("") == "False UnsupportedValue");
}

TEST_CASE("a listener says which kind of routes it takes, if it allows that") {
  const auto kinds = [](std::string_view listener) {
    const Mesh mesh(GatewayYaml("gatewayClassName: istio, listeners: [{name: a, port: 80, " +
                                std::string(listener) + "}]"));
    return std::pair(mesh.StatusOf(Kind::kGateway, "edge/gw")->listeners.at(0).supported_kinds,
                     ListenerCondition(mesh, 0, "ResolvedRefs"));
  };
  const std::string both = ", allowedRoutes: {kinds: [{kind: TCPRoute}, {kind: TLSRoute}]}";
  CHECK(kinds("protocol: TCP") == std::pair(Texts{"TCPRoute"}, std::string("True ResolvedRefs")));
  CHECK(kinds("protocol: TLS, tls: {mode: Passthrough}" + both) ==
        std::pair(Texts{"TLSRoute"}, std::string("False InvalidRouteKinds")));
  CHECK(kinds("protocol: HTTP" + both) ==
        std::pair(Texts{}, std::string("False InvalidRouteKinds")));
}

TEST_CASE("a Gateway is told to its own proxies only") {
  const Mesh mesh(GatewayYaml(kHttp));
  const Resource* resource = mesh.ResourceOf(ResourceType::kGateway, "edge/gw");
  CHECK(resource->restricted);
  CHECK(resource->gateways == Texts{"edge/gw"});
}

TEST_CASE("a waypoint's pod that would be captured is pointed out") {
  const std::string space =
      "{apiVersion: v1, kind: Namespace, metadata: {name: edge, labels: {istio.io/dataplane-mode: "
      "ambient}}}\n---\n";
  const Mesh captured(space + GatewayYaml(kHbone) + PodYaml(kNamed));
  REQUIRE(captured.result().warnings.size() == 1);
  CHECK(captured.result().warnings[0].starts_with(
      "Pod edge/p serves waypoint edge/gw and is enrolled itself"));
  CHECK(Mesh(space + GatewayYaml(kHbone) + PodYaml(kNamed + ", istio.io/dataplane-mode: none"))
            .result()
            .warnings.empty());
  CHECK(Mesh(space + GatewayYaml(kHttp) + PodYaml(kNamed)).result().warnings.empty());
}

}  // namespace aquifer::control
