#include "control/reconcile/gateway_class.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

using Owner = MeshSettings::ClassOwner;

const std::string kNothing = "{apiVersion: v1, kind: Namespace, metadata: {name: n}}\n";

std::string Class(std::string_view name, std::string_view controller) {
  return "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: " +
         std::string(name) +
         ", generation: 3, uid: u-1}, spec: {controllerName: " + std::string(controller) + "}}\n";
}

std::string Role(std::string_view name, const std::string& yaml, Owner owner = Owner::kAuto) {
  const ObjectSet objects = ObjectsOf(kNothing + yaml);
  MeshSettings settings;
  settings.class_owner = owner;
  const auto role = GatewayClasses(objects, settings).RoleOf(name);
  if (!role) return "foreign";
  return *role == GatewayRole::kIngress    ? "ingress"
         : *role == GatewayRole::kWaypoint ? "waypoint"
                                           : "remote";
}

std::set<std::string> Missing(const std::string& yaml, Owner owner = Owner::kAuto) {
  const ObjectSet objects = ObjectsOf(kNothing + yaml);
  MeshSettings settings;
  settings.class_owner = owner;
  return GatewayClasses(objects, settings).Missing();
}

const std::string kIstio = Class("istio", "istio.io/gateway-controller");

}  // namespace

TEST_CASE("class names need no object, and Istio's are ours where no Istio is") {
  CHECK(Role("aquifer", "") == "ingress");
  CHECK(Role("aquifer-waypoint", "") == "waypoint");
  CHECK(Role("istio", "") == "ingress");
  CHECK(Role("istio-waypoint", "") == "waypoint");
  CHECK(Role("istio-remote", "") == "remote");
  CHECK(Role("nginx", "") == "foreign");
}

TEST_CASE("a class of Istio's controllers takes all of Istio's names from us, and no other") {
  CHECK(Role("istio", kIstio) == "foreign");
  CHECK(Role("istio-waypoint", kIstio) == "foreign");
  CHECK(Role("aquifer-waypoint", kIstio) == "waypoint");
  CHECK(Role("istio-waypoint", kIstio, Owner::kAquifer) == "waypoint");
  CHECK(Role("istio", kIstio, Owner::kAquifer) == "ingress");
  CHECK(Role("istio", "", Owner::kIstio) == "foreign");
}

TEST_CASE("our controller's classes are ours by any name") {
  CHECK(Role("istio", Class("istio", "aquifer.io/controller"), Owner::kIstio) == "ingress");
  CHECK(Role("mine", Class("mine", "aquifer.io/controller")) == "ingress");
  CHECK(Role("my-waypoint", Class("my-waypoint", "aquifer.io/controller")) == "waypoint");
  CHECK(Role("aquifer", Class("aquifer", "example.com/other")) == "foreign");
}

TEST_CASE("what is missing is what we would serve") {
  CHECK(Missing("") == std::set<std::string>{"aquifer", "aquifer-waypoint", "istio", "istio-remote",
                                             "istio-waypoint"});
  CHECK(Missing(kIstio) == std::set<std::string>{"aquifer", "aquifer-waypoint"});
  CHECK(Missing(Class("aquifer", "example.com/other"), Owner::kIstio) ==
        std::set<std::string>{"aquifer-waypoint"});
}

TEST_CASE("a class of ours is accepted and says what its routes can do") {
  const Mesh mesh(Class("mine", "aquifer.io/controller") + Class("other", "example.com/x"));
  CHECK(mesh.ConditionOf(Kind::kGatewayClass, "/mine", "Accepted") == "True Accepted");
  const ObjectStatus* status = mesh.StatusOf(Kind::kGatewayClass, "/mine");
  REQUIRE(status != nullptr);
  CHECK(status->generation == 3);
  CHECK(status->uid == "u-1");
  CHECK(status->supported_features.size() == SupportedFeatures().size());
  CHECK(mesh.StatusOf(Kind::kGatewayClass, "/other") == nullptr);
}

TEST_CASE("a missing class is made as one of ours") {
  const auto body = nlohmann::json::parse(GatewayClassBody("istio-waypoint", "v1"));
  CHECK(body["apiVersion"] == "gateway.networking.k8s.io/v1");
  CHECK(body["metadata"]["name"] == "istio-waypoint");
  CHECK(body["spec"]["controllerName"] == "aquifer.io/controller");
}

TEST_CASE("a remote Gateway is served by nobody here and has the addresses of its author") {
  const auto with = [](std::string_view addresses) {
    return Mesh(
        "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: far, "
        "namespace: edge}, spec: {gatewayClassName: istio-remote, listeners: [{name: a, port: "
        "15008, protocol: HBONE}]" +
        std::string(addresses) + "}}\n");
  };
  const Mesh far = with(", addresses: [{type: IPAddress, value: 192.0.2.7}]");
  CHECK_FALSE(far.GatewayOf("edge/far").has_value());
  CHECK(far.ConditionOf(Kind::kGateway, "edge/far", "Programmed") == "True Programmed");
  CHECK(far.ConditionOf(Kind::kGateway, "edge/far", "Ready") == "True Ready");
  CHECK(far.StatusOf(Kind::kGateway, "edge/far")->addresses ==
        std::vector<StatusAddress>{{"IPAddress", "192.0.2.7"}});
  CHECK(with("").ConditionOf(Kind::kGateway, "edge/far", "Programmed") ==
        "False AddressNotAssigned");
}

TEST_CASE("a Service whose waypoint is gone is still there to be told so") {
  const Mesh mesh(
      "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: a}, spec: {clusterIP: "
      "10.96.0.5}, status: {conditions: [{type: istio.io/WaypointBound, status: \"True\"}]}}\n"
      "---\n{apiVersion: v1, kind: Service, metadata: {name: other, namespace: a}, spec: "
      "{clusterIP: 10.96.0.6}}\n");
  REQUIRE(mesh.StatusOf(Kind::kService, "a/web") != nullptr);
  CHECK(mesh.StatusOf(Kind::kService, "a/web")->conditions.empty());
  CHECK(mesh.StatusOf(Kind::kService, "a/other") == nullptr);
}

}  // namespace aquifer::control
