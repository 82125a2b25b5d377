#include "cli/status_report.h"

#include <memory>

#include "control/manifest.h"
#include "tests/support/catch.h"
#include "tests/unit/cli/support.h"

namespace aquifer::cli {
namespace {

std::string Pod(const std::string& name, const std::string& ip, const std::string& annotation) {
  return "---\n{apiVersion: v1, kind: Pod, metadata: {name: " + name +
         ", namespace: shop, annotations: {" +
         (annotation.empty() ? "" : "ambient.istio.io/redirection: " + annotation) +
         "}}, spec: {nodeName: n1}, status: {podIP: " + ip + "}}\n";
}

const std::string kMesh =
    "{apiVersion: v1, kind: Node, metadata: {name: n1}}\n---\n"
    "{apiVersion: v1, kind: Node, metadata: {name: n2}}\n---\n"
    "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio.io/dataplane-mode: "
    "ambient}}}\n" +
    Pod("proven", "10.0.0.1", "enabled") + Pod("begun", "10.0.0.2", "pending") +
    Pod("new", "10.0.0.3", "") +
    "---\n{apiVersion: v1, kind: Pod, metadata: {name: gone, namespace: other, annotations: "
    "{ambient.istio.io/redirection: enabled}}, spec: {nodeName: n1}, status: {podIP: 10.0.0.4}}\n"
    "---\n{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop, labels: "
    "{istio.io/use-waypoint: way}}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}\n"
    "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: way, "
    "namespace: shop}, spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: "
    "15008, protocol: HBONE}]}}\n";

StatusReport Report(const std::vector<OurPod>& ours) {
  control::Manifest manifest = control::ReadManifest("test.yaml", kMesh);
  for (const control::ManifestRefusal& refusal : manifest.refusals) FAIL(refusal.ToString());
  control::ObjectSet objects;
  for (control::Object& object : manifest.objects) REQUIRE(objects.Add(std::move(object)));
  control::MeshSettings settings;
  settings.capture = control::MeshSettings::Capture::kAnnotation;
  const Model model(std::move(objects), std::move(settings));
  return StatusOf(model, ours);
}

std::string CaptureOf(const StatusReport& report, std::string_view name) {
  for (const PodStatus& pod : report.pods) {
    if (pod.name == name) return pod.capture;
  }
  return "";
}

OurPod Part(const std::string& part, const std::string& node, bool ready) {
  OurPod pod;
  pod.part = part;
  pod.node = node;
  pod.version = "1.2";
  pod.ready = ready;
  return pod;
}

}  // namespace

TEST_CASE("a pod is captured by the agent's word, and by no label") {
  const StatusReport report = Report({});
  CHECK(CaptureOf(report, "shop/proven") == "captured");
  CHECK(CaptureOf(report, "shop/begun") == "pending");
  CHECK(CaptureOf(report, "shop/new") == "pending");
  CHECK(CaptureOf(report, "other/gone") == "leaving");
  REQUIRE(report.namespaces.size() == 2);
  CHECK(report.namespaces[1].captured == 1);
  CHECK(report.namespaces[1].wanted == 3);
  CHECK_FALSE(report.good());
}

TEST_CASE("a node without an agent or a proxy that is ready is told") {
  const StatusReport report =
      Report({Part("cni", "n1", true), Part("node", "n1", false), Part("node", "n1", true)});
  REQUIRE(report.nodes.size() == 2);
  CHECK(report.nodes[0].agent == "ready");
  CHECK(report.nodes[0].proxy == "ready");
  CHECK(report.nodes[0].version == "1.2");
  CHECK(report.nodes[1].agent == "missing");
  CHECK(report.nodes[1].proxy == "missing");
}

TEST_CASE("a waypoint that is not there yet says why") {
  const StatusReport report = Report({});
  REQUIRE(report.waypoints.size() == 1);
  CHECK(report.waypoints[0].name == "shop/way");
  CHECK_FALSE(report.waypoints[0].programmed);
  CHECK_FALSE(report.waypoints[0].why.empty());
}

TEST_CASE("the report is written as tables and as a document") {
  const StatusReport report = Report({Part("node", "n1", true)});
  Captured captured;
  Print(report, captured.out);
  CHECK(captured.text().find("shop/proven") != std::string::npos);
  CHECK(captured.text().find("WAYPOINT") != std::string::npos);
  CHECK(DocumentOf(report)["pods"].size() == 4);
  CHECK(DocumentOf(report)["good"] == false);
}

TEST_CASE("one of our pods is known by its labels, its version by the image") {
  const OurPod node = ReadOurPod(Json::parse(R"({"metadata": {"name": "aquifer-node-x",
      "namespace": "aquifer-system", "labels": {"app.kubernetes.io/name": "aquifer-node"}},
      "spec": {"nodeName": "n1", "containers": [{"name": "proxy", "image": "r:5000/a:0.1"}]},
      "status": {"conditions": [{"type": "Ready", "status": "True"}]}})"));
  CHECK(node.part == "node");
  CHECK(node.version == "0.1");
  CHECK(node.container == "proxy");
  CHECK(node.ready);
  const OurPod waypoint = ReadOurPod(Json::parse(R"({"metadata": {"name": "way-x", "labels":
      {"gateway.networking.k8s.io/gateway-name": "way"}},
      "spec": {"containers": [{"image": "r:5000/a"}]}})"));
  CHECK(waypoint.part == "waypoint");
  CHECK(waypoint.version.empty());
  CHECK_FALSE(waypoint.ready);
  CHECK(ReadOurPod(Json::parse("[1]")).name.empty());
}

}  // namespace aquifer::cli
