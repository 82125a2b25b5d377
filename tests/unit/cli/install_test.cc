#include "cli/install/leave.h"
#include "cli/install/manifest.h"
#include "cli/install/serving.h"
#include "tests/support/catch.h"

namespace aquifer::cli {
namespace {

std::string All(const std::vector<std::string>& settings) {
  const auto objects = ManifestObjects(BuiltInManifest(), settings);
  REQUIRE(objects.ok());
  return Json(*objects).dump();
}

std::string WhyNot(const std::string& setting) {
  const auto objects = ManifestObjects(BuiltInManifest(), {setting});
  return objects.ok() ? "" : objects.error().ToString();
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Json Agent() {
  const auto objects = ManifestObjects(BuiltInManifest(), {});
  REQUIRE(objects.ok());
  for (const Json& object : *objects) {
    if (object["kind"] == "DaemonSet" && object["metadata"]["name"] == "aquifer-cni") return object;
  }
  return Json();
}

}  // namespace

TEST_CASE("the built-in manifests begin with their namespace and are whole") {
  const auto objects = ManifestObjects(BuiltInManifest(), {});
  REQUIRE(objects.ok());
  CHECK((*objects)[0]["kind"] == "Namespace");
  CHECK((*objects)[0]["metadata"]["name"] == kSystemNamespace);
  CHECK(objects->size() > 20);
}

TEST_CASE("a value that is set stands everywhere its default stood") {
  CHECK(Has(All({}), "\"aquifer:dev\""));
  const std::string other = All({"image.name=registry.test/aquifer:1"});
  CHECK_FALSE(Has(other, "\"aquifer:dev\""));
  CHECK(Has(other, "\"registry.test/aquifer:1\""));
  const std::string moved = All({"cni.runFolder=/srv/cni"});
  CHECK_FALSE(Has(moved, "/var/run/aquifer-cni"));
  CHECK(Has(moved, "/srv/cni/plugin.sock"));
}

TEST_CASE("a setting that is not there or cannot be is refused by its name") {
  CHECK(WhyNot("image=x").starts_with("--set image: is none of these: image.name"));
  CHECK(WhyNot("image.name").starts_with("--set image.name: is none of these"));
  CHECK(WhyNot("image.name=a\"b") == "--set image.name: cannot be \"a\"b\"");
  CHECK(WhyNot("cni.runFolder=x") == "--set cni.runFolder: cannot be \"x\"");
  CHECK(WhyNot("cni.runFolder=/x").empty());
}

TEST_CASE("a workload serves when all its newest pods are available") {
  Json workload = Json::parse(R"({"kind": "Deployment", "metadata": {"generation": 3},
      "spec": {"replicas": 2}, "status": {"observedGeneration": 2, "updatedReplicas": 2,
      "availableReplicas": 2}})");
  CHECK_FALSE(ServingOf(workload).ready);
  workload["status"]["observedGeneration"] = 3;
  CHECK(ServingOf(workload).ready);
  workload["status"]["availableReplicas"] = 1;
  CHECK(ServingOf(workload).text == "1 of 2");
  CHECK_FALSE(ServingOf(workload).ready);
  workload["kind"] = "DaemonSet";
  CHECK_FALSE(ServingOf(workload).ready);
}

TEST_CASE("what gives a node its configuration back is of the agent's image and folders") {
  const auto leave = LeaveDaemonSet(Agent());
  REQUIRE(leave.ok());
  const Json& pod = (*leave)["spec"]["template"]["spec"];
  CHECK(pod["nodeSelector"]["aquifer.io/leaves"] == "not-yet");
  CHECK(pod["initContainers"][0]["image"] == "aquifer:dev");
  CHECK(pod["initContainers"][0]["command"].dump() ==
        "[\"/usr/local/bin/aquifer-cni\",\"uninstall\",\"--conf-dir\",\"/etc/cni/net.d\","
        "\"--bin-dir\",\"/opt/cni/bin\"]");
  CHECK(pod["tolerations"][0]["operator"] == "Exists");
  CHECK_FALSE(LeaveDaemonSet(Json::object()).ok());
}

TEST_CASE("nodes have left when as many pods as are wanted have ended well") {
  const Json leave = Json::parse(
      R"({"metadata": {"generation": 2}, "status": {"observedGeneration": 2,
          "desiredNumberScheduled": 2}})");
  const Json done = Json::parse(
      R"({"spec": {"nodeName": "a"}, "status": {"initContainerStatuses":
          [{"state": {"terminated": {"exitCode": 0}}}]}})");
  const Json waits = Json::parse(R"({"spec": {"nodeName": "b"}})");
  CHECK(NodesNotLeft(leave, {done, done}).empty());
  CHECK(NodesNotLeft(leave, {done, waits}) == "b and others");
  CHECK(NodesNotLeft(leave, {done}) == "others");
  Json early = leave;
  early["metadata"]["generation"] = 3;
  CHECK(NodesNotLeft(early, {done, done}) == "others");
}

TEST_CASE("captured pods are named, of many a few") {
  const Json pod = Json::parse(
      R"({"metadata": {"name": "p", "namespace": "n", "annotations":
          {"ambient.istio.io/redirection": "enabled"}}})");
  CHECK(CapturedPods({Json::object()}).empty());
  CHECK(CapturedPods({pod}) == "n/p");
  CHECK(CapturedPods(std::vector<Json>(7, pod)) == "n/p n/p n/p n/p n/p and 2 others");
}

TEST_CASE("of GatewayClasses only those of our controllers go") {
  Removal classes{};
  for (const Removal& removal : Removals()) {
    if (std::string_view(removal.kind) == "GatewayClass") classes = removal;
  }
  REQUIRE(classes.kind != nullptr);
  CHECK(IsOurs(classes, Json::parse(R"({"spec": {"controllerName": "aquifer.io/x"}})")));
  CHECK_FALSE(IsOurs(classes, Json::parse(R"({"spec": {"controllerName": "istio.io/x"}})")));
}

TEST_CASE("answers are compared without what each write changes, whatever they hold") {
  const Json before = Json::parse(R"({"metadata": {"name": "a", "resourceVersion": "1"}})");
  Json after = Json::parse(R"({"metadata": {"name": "a", "resourceVersion": "2"}, "status": 1})");
  CHECK(SameButForWrites(before, after));
  after["spec"] = 1;
  CHECK_FALSE(SameButForWrites(before, after));
  CHECK_FALSE(SameButForWrites(before, Json::parse(R"({"metadata": "none"})")));
  CHECK_FALSE(SameButForWrites(Json::parse("[]"), before));
}

}  // namespace aquifer::cli
