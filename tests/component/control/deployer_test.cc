// A deployer beside an API server: the requests that it makes, over the wire.
#include "control/deploy/deployer.h"

#include <algorithm>

#include "core/rt/timer.h"
#include "tests/component/control/cluster.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/story.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

using aquifer::test::Tell;

const std::string kGateway =
    "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: gw, namespace: "
    "edge, uid: u-1}, spec: {gatewayClassName: aquifer, listeners: [{name: a, port: 80, protocol: "
    "HTTP}]";
const std::string kWithParameters =
    ", infrastructure: {parametersRef: {group: '', kind: ConfigMap, name: params}}";
const std::string kDeployments = "/apis/apps/v1/deployments";
const std::string kServices = "/api/v1/services";
const std::string kBudgets = "/apis/policy/v1/poddisruptionbudgets";
const std::string kConfigMaps = "/api/v1/configmaps";
const std::string kDeployment = "/apis/apps/v1/namespaces/edge/deployments/gw-aquifer";
const std::string kBudget = "/apis/policy/v1/namespaces/edge/poddisruptionbudgets/gw-aquifer";
const std::string kName = "gw-aquifer";

DeployOptions Fast() {
  DeployOptions options;
  options.refresh = std::chrono::milliseconds(5);
  options.pause = std::chrono::milliseconds(1);
  options.applier.first_backoff = std::chrono::milliseconds(5);
  options.applier.foreign_period = std::chrono::milliseconds(5);
  return options;
}

class World {
 public:
  World() {
    settings_.image = "aquifer:test";
    settings_.root_config_map = "roots";
    for (const DeployedRow& row : DeployedRows())
      server.Serve(CollectionPath(row.api_version, row.plural));
    writer_.emplace(server.access());
    deployer_.emplace(*writer_, settings_, mesh_, log_, Fast());
    deployer_->SetRoots("PEM");
    tasks_.Spawn(deployer_->Run(stop_.token()));
  }
  void Show(const std::string& yaml) {
    deployer_->Take(std::make_shared<const ObjectSet>(ObjectsOf(yaml)));
  }
  Task<void> End() {
    stop_.RequestStop();
    co_await tasks_.Join();
    co_await writer_->Shutdown();
    co_await server.End();
  }

  using Holds = bool (*)(const World& world);
  Task<void> Until(Holds holds) {
    TimedStop timed(StopToken(), std::chrono::seconds(30), Reason::kTimeout);
    while (!holds(*this)) {
      const Status waited = co_await server.news().Wait(timed.token());
      REQUIRE(waited.ok());
    }
  }
  // How often that was asked with that method.
  long Count(std::string_view method, const std::string& target) const {
    return std::count_if(server.sent().begin(), server.sent().end(), [&](const auto& write) {
      return write.method == method && write.target == target;
    });
  }

  mutable ApiServer server;

 private:
  obs::Logger log_{test::QuietLog()};
  DeploySettings settings_;
  MeshSettings mesh_;
  std::optional<ApiObjectWriter> writer_;
  std::optional<Deployer> deployer_;
  StopSource stop_;
  Scope tasks_;
};

const std::string kMake = "?fieldManager=aquifer-control";
const std::string kChange = "?fieldManager=aquifer-control&force=true";

Task<void> Applies(World& world) {
  world.Show(kGateway + "}}\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: web}}\n");
  co_await world.Until([](const World& w) { return w.server.sent().size() >= 4; });
  for (const ApiServer::Sent& write : world.server.sent()) {
    CHECK(write.method == "PATCH");
    CHECK(write.content_type == "application/apply-patch+yaml");
    CHECK(write.target.ends_with(kMake));
  }
  const Json* deployment = world.server.Find(kDeployments, kName);
  REQUIRE(deployment != nullptr);
  CHECK(deployment->at("metadata").at("ownerReferences").at(0).at("uid") == "u-1");
  const Json* root = world.server.Find(kConfigMaps, "roots");
  REQUIRE(root != nullptr);
  CHECK(root->at("data").at("root-cert.pem") == "PEM");
  // Two more readings of all our objects, and nothing to do.
  const int lists = world.server.CountsOf(kDeployments).lists;
  TimedStop timed(StopToken(), std::chrono::seconds(30), Reason::kTimeout);
  while (world.server.CountsOf(kDeployments).lists < lists + 3) {
    const Status waited = co_await world.server.news().Wait(timed.token());
    REQUIRE(waited.ok());
  }
  CHECK(world.server.sent().size() == 4);
}

Task<void> Repairs(World& world) {
  world.Show(kGateway + "}}\n");
  co_await world.Until([](const World& w) { return w.server.Find(kServices, kName) != nullptr; });
  Json changed = *world.server.Find(kDeployments, kName);
  changed["spec"]["template"]["spec"]["volumes"] = Json::array();
  world.server.Put(kDeployments, changed.dump());
  co_await world.Until([](const World& w) { return w.Count("PATCH", kDeployment + kChange) == 1; });
  const Json* repaired = world.server.Find(kDeployments, kName);
  CHECK(repaired->at("spec").at("template").at("spec").at("volumes").size() == 2);
}

Task<void> Deletes(World& world) {
  world.server.Put(kConfigMaps,
                   R"({"metadata":{"name":"params","namespace":"edge"},
                       "data":{"podDisruptionBudget":"spec: {minAvailable: 1}"}})");
  world.Show(kGateway + kWithParameters + "}}\n");
  co_await world.Until([](const World& w) { return w.server.Find(kBudgets, kName) != nullptr; });
  world.Show(kGateway + "}}\n");
  co_await world.Until([](const World& w) { return w.Count("DELETE", kBudget) == 1; });
  CHECK(world.server.Find(kBudgets, kName) == nullptr);
}

Task<void> SparesForeign(World& world) {
  const char* const foreign =
      R"({"metadata":{"name":"gw-aquifer","namespace":"edge","labels":{"app":"x"}}})";
  world.server.Put(kServices, foreign);
  world.Show(kGateway + "}}\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: web}}\n");
  // Roots come after Gateways.
  co_await world.Until([](const World& w) { return !w.server.sent().empty(); });
  CHECK(world.server.sent().size() == 1);
  CHECK(world.Count("PATCH", "/api/v1/namespaces/web/configmaps/roots" + kMake) == 1);
}

}  // namespace

TEST_CASE("a deployer applies what is missing and then asks for nothing more") { Tell(Applies); }
TEST_CASE("a deployer takes back what was changed") { Tell(Repairs); }
TEST_CASE("a deployer deletes exactly the object that it knows") { Tell(Deletes); }
TEST_CASE("a deployer spares an object of somebody else") { Tell(SparesForeign); }

}  // namespace aquifer::control
