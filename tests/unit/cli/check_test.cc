#include "cli/check/judge.h"

#include "tests/support/catch.h"

namespace aquifer::cli {
namespace {

Json Read(const char* text) { return Json::parse(text); }

Json Workload(const std::string& kind, const std::string& name, int good, const char* image) {
  Json workload = Read(R"({"metadata": {"generation": 2}, "spec": {"replicas": 2}})");
  workload["kind"] = kind;
  workload["metadata"]["name"] = name;
  Json container = Json::object();
  container["image"] = image;
  workload["spec"]["template"]["spec"]["containers"] = Json::array({container});
  for (const char* key :
       {"updatedReplicas", "availableReplicas", "updatedNumberScheduled", "numberAvailable"})
    workload["status"][key] = good;
  workload["status"]["desiredNumberScheduled"] = 2;
  workload["status"]["observedGeneration"] = 2;
  return workload;
}

std::vector<Json> Installation(int good, const char* agent_image) {
  return {Workload("Deployment", "aquifer-control", good, "a:1"),
          Workload("DaemonSet", "aquifer-node", 2, "a:1"),
          Workload("DaemonSet", "aquifer-cni", 2, agent_image)};
}

Json Pod(const char* space, const char* mode, const char* redirection) {
  Json pod = Read(R"({"metadata": {"name": "p"}, "status": {"phase": "Running"}})");
  pod["metadata"]["namespace"] = space;
  if (*mode != 0) pod["metadata"]["labels"]["istio.io/dataplane-mode"] = mode;
  if (*redirection != 0)
    pod["metadata"]["annotations"]["ambient.istio.io/redirection"] = redirection;
  return pod;
}

}  // namespace

TEST_CASE("a release is read from the beginning of a version") {
  CHECK(ReadRelease("v1.30.2") == Release{1, 30});
  CHECK(ReadRelease("6.12.3-amd64") == Release{6, 12});
  CHECK_FALSE(ReadRelease("six").has_value());
  CHECK_FALSE(ReadRelease("6").has_value());
}

TEST_CASE("an API server or a node that is too old is told with what is needed") {
  CHECK(JudgeServer(Read(R"({"gitVersion": "v1.30.0"})")).verdict == Verdict::kOk);
  CHECK(JudgeServer(Read(R"({"gitVersion": "v1.29.9"})")).verdict == Verdict::kFail);
  CHECK(JudgeServer(Json::object()).verdict == Verdict::kWarn);
  const std::vector<Finding> nodes = JudgeNodes(
      {Read(R"({"metadata": {"name": "a"}, "status": {"nodeInfo": {"kernelVersion": "6.1.0"}}})"),
       Read(R"({"metadata": {"name": "b"}, "status": {"nodeInfo": {"kernelVersion": "5.15"}}})")});
  REQUIRE(nodes.size() == 2);
  CHECK(nodes[0].what == "node b has Linux 5.15");
  CHECK(nodes[0].verdict == Verdict::kFail);
  CHECK(nodes[1].what == "1 nodes have Linux 6.1 or later");
}

TEST_CASE("a Gateway API that is missing or serves no v1 is a failure with its cure") {
  CHECK(JudgeGatewayApi(std::nullopt).verdict == Verdict::kFail);
  CHECK(JudgeGatewayApi(Read(R"({"spec": {"versions": [{"name": "v1", "served": false}]}})"))
            .verdict == Verdict::kFail);
  CHECK(JudgeGatewayApi(Read(R"({"spec": {"versions": [{"name": "v1", "served": true}]}})"))
            .verdict == Verdict::kOk);
}

TEST_CASE("workloads that do not serve, are missing or differ in version are told") {
  for (const Finding& finding : JudgeWorkloads(Installation(2, "a:1")))
    CHECK(finding.verdict == Verdict::kOk);
  const std::vector<Finding> partly = JudgeWorkloads(Installation(1, "a:2"));
  REQUIRE(partly.size() == 4);
  CHECK(partly[0].verdict == Verdict::kFail);
  CHECK(partly[0].what == "aquifer-control: 1 of 2 serve");
  CHECK(partly[3].what == "programs of several versions: a:1, a:2");
  CHECK(JudgeWorkloads({}).size() == 3);
}

TEST_CASE("a pod that asks for the mesh and is not captured is a failure") {
  const std::vector<Json> spaces = {
      Read(R"({"metadata": {"name": "shop", "labels": {"istio.io/dataplane-mode": "ambient"}}})")};
  CHECK(
      JudgePods(spaces, {Pod("shop", "", "enabled"), Pod("shop", "none", ""), Pod("other", "", "")})
          .what == "1 pods of the mesh are captured");
  const Finding missing = JudgePods(spaces, {Pod("shop", "", ""), Pod("other", "ambient", "")});
  CHECK(missing.verdict == Verdict::kFail);
  CHECK(missing.what == "2 pods ask for the mesh and are not captured: shop/p and others");
}

}  // namespace aquifer::cli
