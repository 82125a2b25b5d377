#include "control/deploy/inputs.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

std::string GatewayText(const std::string& metadata) {
  return "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: gw" +
         metadata +
         "}, spec: {gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP}]}}\n";
}
std::string Text(const std::string& kind, const std::string& name,
                 const std::string& metadata = "") {
  return "---\n{apiVersion: v1, kind: " + kind + ", metadata: {name: " + name + metadata + "}}\n";
}

bool Same(const std::string& a, const std::string& b) {
  return AsksForTheSame(ObjectsOf(a), ObjectsOf(b));
}

const std::string kFirst = GatewayText(", generation: 1");

}  // namespace

TEST_CASE("pods change nothing about deployments") {
  CHECK(Same(kFirst, kFirst + Text("Pod", "p")));
  CHECK(Same("", Text("Node", "n")));
}

TEST_CASE("Gateways, namespaces and who has which name do") {
  CHECK_FALSE(Same(kFirst, GatewayText(", generation: 2")));
  CHECK_FALSE(Same(kFirst, GatewayText(", generation: 1, annotations: {any/thing: new}")));
  CHECK_FALSE(Same(kFirst, ""));
  CHECK_FALSE(Same(kFirst, kFirst + Text("Service", "s")));
  CHECK_FALSE(Same(Text("ServiceAccount", "s"), Text("ServiceAccount", "s", ", labels: {a: b}")));
  CHECK_FALSE(Same("", Text("Namespace", "web")));
  CHECK_FALSE(Same(Text("Namespace", "web"),
                   Text("Namespace", "web", ", deletionTimestamp: '2026-01-01T00:00:00Z'")));
}

TEST_CASE("a Gateway without a generation may have changed") {
  CHECK_FALSE(Same(GatewayText(""), GatewayText("")));
}

}  // namespace aquifer::control
