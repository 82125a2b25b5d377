// The deployer beside a cluster that is a map: what it writes, when, and what it leaves alone.
#include "control/deploy/deployer.h"

#include <algorithm>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/story.h"
#include "tests/unit/control/deploy/fake_cluster.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

using aquifer::test::TellVirtual;

constexpr const char* kDeployments = "/apis/apps/v1/namespaces/edge/deployments/";
constexpr const char* kServices = "/api/v1/namespaces/edge/services/";
constexpr const char* kParameters = "/api/v1/namespaces/edge/configmaps/params";

std::string GatewayText(const std::string& name, const std::string& class_name,
                        const std::string& spec = "", const std::string& metadata = "") {
  return "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: " + name +
         ", namespace: edge, uid: u-" + name + metadata +
         "}, spec: {gatewayClassName: " + class_name +
         ", listeners: [{name: a, port: 15008, protocol: HBONE}]" + spec + "}}\n";
}
const std::string kWithParameters =
    ", infrastructure: {parametersRef: {group: '', kind: ConfigMap, name: params}}";

Json Parameters(const char* key, const char* patch) {
  Json object = {{"metadata", {{"name", "params"}, {"namespace", "edge"}}}};
  object["data"][key] = patch;
  return object;
}
Json Foreign(const char* name) {
  return {{"metadata", {{"name", name}, {"namespace", "edge"}, {"labels", {{"app", name}}}}}};
}

class World {
 public:
  World() {
    settings.image = "aquifer:test";
    settings.root_config_map = "roots";
  }
  void Start() {
    Make();
    Lead();
  }
  void Make() {
    deployer.emplace(cluster, settings, mesh, log_);
    deployer->SetRoots("PEM");
  }
  // A term begins.
  void Lead() { tasks_.Spawn(deployer->Run(term_.emplace().token())); }
  // It is over.
  Task<void> Yield() {
    term_->RequestStop();
    co_await tasks_.Join();
  }
  // New objects, and time for the passes that they cause.
  Task<void> Show(std::string yaml) {
    deployer->Take(std::make_shared<const ObjectSet>(ObjectsOf(yaml)));
    co_await Settle();
  }
  Task<void> Settle(Clock::duration time = std::chrono::seconds(3)) {
    std::ignore = co_await SleepFor(time, StopToken());
  }
  Task<void> Refreshed() { co_await Settle(std::chrono::seconds(12)); }
  Task<void> End() { co_await Yield(); }
  std::string ConditionOf(const std::string& gateway) const {
    const auto found = deployer->conditions().find({Kind::kGateway, "edge", gateway});
    return found == deployer->conditions().end() ? "none" : found->second.reason;
  }

  FakeCluster cluster;
  DeploySettings settings;
  MeshSettings mesh;
  std::optional<Deployer> deployer;

 private:
  obs::Logger log_{test::QuietLog()};
  std::optional<StopSource> term_;
  Scope tasks_;
};

const Words kMade = {"make /api/v1/namespaces/edge/serviceaccounts/gw-aquifer",
                     "make /apis/apps/v1/namespaces/edge/deployments/gw-aquifer",
                     "make /api/v1/namespaces/edge/services/gw-aquifer"};

Task<void> DeploysOnce(World& world) {
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer"));
  CHECK(world.cluster.News() == kMade);
  CHECK(world.ConditionOf("gw") == "Deployed");
  co_await world.Refreshed();
  co_await world.Show(GatewayText("gw", "aquifer"));
  CHECK(world.cluster.News().empty());
}

Task<void> LeavesOthersAlone(World& world) {
  world.Start();
  co_await world.Show(GatewayText("a", "nginx") + GatewayText("b", "istio-remote") +
                      GatewayText("c", "aquifer", ", addresses: [{type: Hostname, value: mine}]"));
  CHECK(world.cluster.News().empty());
  CHECK(world.ConditionOf("c") == "none");
}

Task<void> LeavesIstiosClasses(World& world) {
  world.mesh.class_owner = MeshSettings::ClassOwner::kIstio;
  world.Start();
  co_await world.Show(GatewayText("a", "istio-waypoint") + GatewayText("gw", "aquifer"));
  CHECK(world.cluster.News() == kMade);
}

Task<void> RepairsDrift(World& world) {
  const std::string deployment = std::string(kDeployments) + "gw-aquifer";
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer"));
  world.cluster.News();
  world.cluster.objects[deployment]["spec"]["template"]["spec"]["containers"][0]["image"] = "evil";
  world.cluster.objects.erase(std::string(kServices) + "gw-aquifer");
  co_await world.Refreshed();
  CHECK(world.cluster.News() == Words{"apply " + deployment, kMade[2]});
  world.cluster.objects[deployment]["spec"]["somebody"] = "else's field";
  co_await world.Refreshed();
  CHECK(world.cluster.News().empty());
}

Task<void> FollowsChanges(World& world) {
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer"));
  world.cluster.News();
  co_await world.Show(GatewayText("gw", "aquifer", "",
                                  ", annotations: {networking.istio.io/service-type: ClusterIP}"));
  CHECK(world.cluster.objects[std::string(kServices) + "gw-aquifer"]["spec"]["type"] ==
        "ClusterIP");
  // What became of the annotation is on all three.
  CHECK(world.cluster.News().size() == 3);
}

Task<void> DoesNotFightTheApiServer(World& world) {
  // This cluster turns every number of replicas into 7, as a real one rewrites quantities.
  world.cluster.objects[kParameters] = Parameters("deployment", "spec: {replicas: 2}");
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer", kWithParameters));
  CHECK(world.cluster.News() == kMade);
  co_await world.Refreshed();
  CHECK(world.cluster.News().empty());
}

Task<void> AvoidsForeignNames(World& world) {
  const std::string foreign = std::string(kDeployments) + "httpbin";
  world.cluster.objects[foreign] = Foreign("httpbin");
  world.Start();
  co_await world.Show(GatewayText("httpbin", "istio-waypoint"));
  const Words made = world.cluster.News();
  REQUIRE(made.size() == 3);
  CHECK(made[1] == "make " + std::string(kDeployments) + "httpbin-istio-waypoint");
  CHECK(world.cluster.objects[foreign] == Foreign("httpbin"));
  // The name stays when the other one becomes free.
  world.cluster.objects.erase(foreign);
  co_await world.Settle(std::chrono::minutes(2));
  CHECK(world.cluster.News().empty());
}

Task<void> TouchesNothingForeign(World& world) {
  const std::string foreign = std::string(kServices) + "gw-aquifer";
  world.cluster.objects[foreign] = Foreign("gw-aquifer");
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer"));
  CHECK(world.cluster.News().empty());
  CHECK(world.ConditionOf("gw") == "NameTaken");
  world.cluster.objects.erase(foreign);
  co_await world.Settle(std::chrono::minutes(1));
  CHECK(world.cluster.News() == kMade);
  CHECK(world.ConditionOf("gw") == "Deployed");
}

// Since our objects were listed, and before they are listed again.
Task<void> LeavesWhatReplacedOurs(World& world) {
  const std::string path = std::string(kServices) + "gw-aquifer";
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer"));
  Json foreign = Foreign("gw-aquifer");
  foreign["metadata"]["uid"] = "another";
  world.cluster.objects[path] = foreign;
  co_await world.Show(GatewayText("gw", "aquifer", "",
                                  ", annotations: {networking.istio.io/service-type: ClusterIP}"));
  CHECK(world.cluster.objects[path] == foreign);
  co_await world.Settle();
  CHECK(world.ConditionOf("gw") == "NameTaken");
  CHECK(world.cluster.objects[path] == foreign);
}

Task<void> KeepsTheNameOfWhatIsRefused(World& world) {
  const std::string foreign = std::string(kDeployments) + "w";
  world.cluster.objects[foreign] = Foreign("w");
  world.Start();
  co_await world.Show(GatewayText("w", "istio-waypoint"));
  world.cluster.objects.erase(foreign);
  co_await world.Settle(std::chrono::minutes(2));
  world.cluster.News();
  world.cluster.invalid.insert(std::string(kDeployments) + "w-istio-waypoint");
  co_await world.Show(GatewayText("w", "istio-waypoint", ", infrastructure: {labels: {team: a}}"));
  co_await world.Refreshed();
  CHECK(world.ConditionOf("w") == "ApplyFailed");
  const Words news = world.cluster.News();
  CHECK_FALSE(news.empty());
  CHECK(std::none_of(news.begin(), news.end(),
                     [](const std::string& word) { return word.ends_with("/w"); }));
}

Task<void> CountsWhatItDoes(World& world) {
  obs::Registry registry;
  ControlMetrics metrics(registry);
  world.Start();
  world.deployer->CountIn(metrics);
  co_await world.Show(GatewayText("gw", "aquifer"));
  const std::string service = std::string(kServices) + "gw-aquifer";
  world.cluster.objects[service]["spec"]["type"] = "ExternalName";
  co_await world.Refreshed();
  co_await world.Show(GatewayText("gw", "aquifer", "",
                                  ", annotations: {networking.istio.io/service-type: ClusterIP}"));
  world.cluster.objects.erase(service);
  co_await world.Refreshed();
  const std::string text = registry.Text();
  const auto counted = [&](const std::string& outcome, int times) {
    return text.find("aquifer_control_deployments_total{kind=\"Service\",outcome=\"" + outcome +
                     "\"} " + std::to_string(times) + "\n") != std::string::npos;
  };
  CHECK(counted("made", 2));  // anew after somebody deleted it
  CHECK(counted("repaired", 1));
  CHECK(counted("changed", 1));
  co_await world.End();
}

Task<void> KnowsWhenItKnows(World& world) {
  int changes = 0;
  world.Start();
  world.deployer->OnConditions([&changes] { ++changes; });
  co_await world.Settle();
  CHECK_FALSE(world.deployer->concluded());
  // A pass that finds nothing to deploy is an answer, too.
  co_await world.Show("---\n{apiVersion: v1, kind: Namespace, metadata: {name: edge}}\n");
  CHECK(world.deployer->concluded());
  CHECK(changes == 1);
  co_await world.Show(GatewayText("gw", "aquifer"));
  CHECK(changes == 2);
  co_await world.End();
  CHECK_FALSE(world.deployer->concluded());
  CHECK(changes == 3);
}

Task<void> RemovesWhatIsNotWanted(World& world) {
  const std::string budget = "/apis/policy/v1/namespaces/edge/poddisruptionbudgets/gw-aquifer";
  world.cluster.objects[kParameters] = Parameters("podDisruptionBudget", "spec: {minAvailable: 1}");
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer", kWithParameters));
  CHECK(world.cluster.News().back() == "make " + budget);
  world.cluster.objects[kParameters]["data"] = Json::object();
  co_await world.Refreshed();
  CHECK(world.cluster.News() == Words{"delete " + budget});
}

Task<void> ReplacesBeforeItRemoves(World& world) {
  const std::string annotation = ", annotations: {istio.io/for-service-account: x}";
  world.Start();
  co_await world.Show(GatewayText("w", "istio-waypoint"));
  world.cluster.News();
  world.cluster.pods_start = false;
  co_await world.Show(GatewayText("w", "istio-waypoint", "", annotation));
  CHECK(world.cluster.News().size() == 3);
  world.cluster
      .objects[std::string(kDeployments) + "w-istio-waypoint"]["status"]["availableReplicas"] = 1;
  co_await world.Refreshed();
  const Words removed = world.cluster.News();
  CHECK(removed.size() == 3);
  CHECK(std::all_of(removed.begin(), removed.end(), [](const std::string& word) {
    return word.starts_with("delete ") && word.ends_with("/w");
  }));
}

Task<void> KeepsEverythingOfBadParameters(World& world) {
  world.cluster.objects[kParameters] = Parameters("service", "spec: {type: NodePort}");
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer", kWithParameters));
  CHECK(world.cluster.News() == kMade);
  world.cluster.objects[kParameters] = Parameters("service", "spec: [");
  co_await world.Refreshed();
  CHECK(world.ConditionOf("gw") == "InvalidParameters");
  world.cluster.objects.erase(kParameters);
  co_await world.Refreshed();
  CHECK(world.ConditionOf("gw") == "InvalidParameters");
  CHECK(world.cluster.News().empty());
}

Task<void> KeepsObjectsOfLostGateways(World& world) {
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer"));
  world.cluster.News();
  co_await world.Show("");
  co_await world.Refreshed();
  CHECK(world.cluster.News().empty());
  CHECK(world.cluster.objects.size() == 3);
}

Task<void> OnlyTheLeaderWrites(World& world) {
  world.Make();
  co_await world.Show(GatewayText("gw", "aquifer"));
  CHECK(world.cluster.lists == 0);
  world.Lead();
  co_await world.Settle();
  CHECK(world.cluster.News() == kMade);
  co_await world.Yield();
  const int lists = world.cluster.lists;
  co_await world.Show(GatewayText("other", "aquifer"));
  co_await world.Refreshed();
  CHECK(world.cluster.News().empty());
  CHECK(world.cluster.lists == lists);
  world.Lead();
  co_await world.Settle();
  CHECK(world.cluster.News().size() == 3);
}

Task<void> TriesAgain(World& world) {
  const std::string service = std::string(kServices) + "gw-aquifer";
  world.cluster.refused.insert(service);
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer"));
  co_await world.Settle(std::chrono::seconds(60));
  // After 1, 2, 4, 8, 16 and 32 seconds at the most, and not with each pass.
  const Words tries = world.cluster.News();
  CHECK(tries.size() >= 2 + 4);
  CHECK(tries.size() <= 2 + 7);
  CHECK(world.ConditionOf("gw") == "ApplyFailed");
  world.cluster.refused.clear();
  co_await world.Settle(std::chrono::seconds(70));
  CHECK(world.cluster.News() == Words{"make " + service});
  CHECK(world.ConditionOf("gw") == "Deployed");
}

Task<void> WritesNothingBlindly(World& world) {
  world.cluster.away = true;
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer"));
  CHECK(world.cluster.News().empty());
  world.cluster.away = false;
  co_await world.Refreshed();
  CHECK(world.cluster.News() == kMade);
}

Task<void> WaitsForTheApiServer(World& world) {
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer"));
  world.cluster.News();
  world.cluster.away = true;
  const std::string changed = ", labels: {a: b}";
  co_await world.Show(GatewayText("gw", "aquifer", "", changed) +
                      GatewayText("other", "aquifer", "", changed));
  // One write shows that it is away; from then on the lists ask whether it is back.
  CHECK(world.cluster.News().size() == 1);
  world.cluster.away = false;
  co_await world.Settle(std::chrono::seconds(30));
  CHECK(world.cluster.News().size() == 6);
}

Task<void> KeepsTheRoot(World& world) {
  const std::string in_web = "/api/v1/namespaces/web/configmaps/roots";
  const std::string in_db = "/api/v1/namespaces/db/configmaps/roots";
  world.cluster.objects[in_db] = Foreign("roots");
  world.Start();
  co_await world.Show(
      "---\n{apiVersion: v1, kind: Namespace, metadata: {name: web}}\n"
      "---\n{apiVersion: v1, kind: Namespace, metadata: {name: db}}\n"
      "---\n{apiVersion: v1, kind: Namespace, metadata: {name: old, deletionTimestamp: "
      "'2026-01-01T00:00:00Z'}}\n");
  CHECK(world.cluster.News() == Words{"make " + in_web});
  CHECK(world.cluster.objects[in_web]["data"]["root-cert.pem"] == "PEM");
  world.cluster.objects[in_web]["data"]["root-cert.pem"] = "forged";
  co_await world.Refreshed();
  CHECK(world.cluster.News() == Words{"apply " + in_web});
  world.deployer->SetRoots("PEM2");
  co_await world.Settle();
  CHECK(world.cluster.News() == Words{"apply " + in_web});
  CHECK(world.cluster.objects[in_web]["data"]["root-cert.pem"] == "PEM2");
  CHECK(world.cluster.objects[in_db] == Foreign("roots"));
}

Task<void> ManyRoots(World& world) {
  std::string yaml;
  for (int i = 0; i < 130; ++i) {
    yaml +=
        "---\n{apiVersion: v1, kind: Namespace, metadata: {name: n" + std::to_string(i) + "}}\n";
  }
  world.Start();
  co_await world.Show(yaml);
  CHECK(world.cluster.News().size() == 130);
}

Task<void> OnlyWhatIsAskedFor(World& world) {
  world.settings.image.clear();
  world.Start();
  co_await world.Show(GatewayText("gw", "aquifer") +
                      "---\n{apiVersion: v1, kind: Namespace, metadata: {name: web}}\n");
  CHECK(world.cluster.News() == Words{"make /api/v1/namespaces/web/configmaps/roots"});
  CHECK(world.cluster.lists == 1);
}

}  // namespace

TEST_CASE("a Gateway is deployed once") { TellVirtual(DeploysOnce); }
TEST_CASE("foreign, remote and manual Gateways are not deployed") {
  TellVirtual(LeavesOthersAlone);
}
TEST_CASE("with Istio its classes are left to it") { TellVirtual(LeavesIstiosClasses); }
TEST_CASE("what was changed or deleted by others is repaired") { TellVirtual(RepairsDrift); }
TEST_CASE("a change of the Gateway is applied") { TellVirtual(FollowsChanges); }
TEST_CASE("what the API server rewrites is not written again") {
  TellVirtual(DoesNotFightTheApiServer);
}
TEST_CASE("a waypoint steps aside for a foreign Deployment") { TellVirtual(AvoidsForeignNames); }
TEST_CASE("an object without our label is never written") { TellVirtual(TouchesNothingForeign); }
TEST_CASE("an object that somebody has put in the place of ours is never overwritten") {
  TellVirtual(LeavesWhatReplacedOurs);
}
TEST_CASE("a deployment that is refused does not move to another name") {
  TellVirtual(KeepsTheNameOfWhatIsRefused);
}
TEST_CASE("what is written for Gateways is counted by what it was") {
  TellVirtual(CountsWhatItDoes);
}
TEST_CASE("what became of deployments is known from a term's first pass to its end") {
  TellVirtual(KnowsWhenItKnows);
}
TEST_CASE("what an overlay asks for no longer is deleted") { TellVirtual(RemovesWhatIsNotWanted); }
TEST_CASE("a renamed deployment is deleted once its successor runs") {
  TellVirtual(ReplacesBeforeItRemoves);
}
TEST_CASE("with bad parameters everything stays as it is") {
  TellVirtual(KeepsEverythingOfBadParameters);
}
TEST_CASE("objects of a Gateway that is not known are not deleted") {
  TellVirtual(KeepsObjectsOfLostGateways);
}
TEST_CASE("only the leader writes deployments") { TellVirtual(OnlyTheLeaderWrites); }
TEST_CASE("what is refused is tried again, less and less often") { TellVirtual(TriesAgain); }
TEST_CASE("nothing is written before our objects are known") { TellVirtual(WritesNothingBlindly); }
TEST_CASE("an API server that is away is not asked for every object") {
  TellVirtual(WaitsForTheApiServer);
}
TEST_CASE("every namespace has the root") { TellVirtual(KeepsTheRoot); }
TEST_CASE("many namespaces get the root in several passes") { TellVirtual(ManyRoots); }
TEST_CASE("without an image no Gateway is deployed") { TellVirtual(OnlyWhatIsAskedFor); }

TEST_CASE("parameters that cannot be used are a reason not to accept a Gateway") {
  const ObjectKey key{Kind::kGateway, "edge", "gw"};
  StatusMap statuses;
  statuses[key].conditions = {{"Accepted", true, "Accepted", ""}};
  AddConditions({{key, {"aquifer.io/Deployed", false, "InvalidParameters", "why"}}}, statuses);
  REQUIRE(statuses[key].conditions.size() == 2);
  CHECK(statuses[key].conditions[0] == Condition{"Accepted", false, "InvalidParameters", "why"});
  CHECK(statuses[key].conditions[1].type == "aquifer.io/Deployed");
}

}  // namespace aquifer::control
