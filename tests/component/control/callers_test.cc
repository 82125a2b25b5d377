// Who is calling, by tokens that an API server judges.
#include "control/callers.h"

#include "tests/component/control/cluster.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/unit/control/source/files.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

const char* const kMesh = R"(
{apiVersion: v1, kind: Pod, metadata: {name: proxy-1, namespace: nodes}, spec: {serviceAccountName: proxy, nodeName: one}, status: {podIP: 10.0.0.1, phase: Running}}
---
{apiVersion: v1, kind: Pod, metadata: {name: ended, namespace: nodes}, spec: {serviceAccountName: proxy, nodeName: one}, status: {phase: Succeeded}}
---
{apiVersion: v1, kind: Pod, metadata: {name: other, namespace: nodes}, spec: {serviceAccountName: other, nodeName: two}, status: {podIP: 10.0.0.2, phase: Running}}
)";

std::string StatusOf(const std::string& account, const std::string& pod) {
  return R"({"authenticated":true,"audiences":["istio-ca"],"user":{"username":"system:serviceaccount:)" +
         account + R"(","extra":{"authentication.kubernetes.io/pod-name":[")" + pod + R"("]}}})";
}

struct World {
  World() : log(test::QuietLog()), callers(tokens, objects, OptionsOf(), log) {
    REQUIRE(tokens.Follow({WorkloadCaller{{"cluster.local", "web", "way"}}}).ok());
  }
  static CallerOptions OptionsOf() {
    CallerOptions options;
    options.node_accounts = {{"nodes", "proxy"}};
    return options;
  }
  Task<std::string> Find(std::string token) {
    http::RequestHead head;
    head.headers.Set("authorization", "Bearer " + token);
    const std::optional<Caller> caller = co_await callers.Find(head, StopToken());
    co_return caller ? ToString(*caller) : "nobody";
  }
  Task<void> End() {
    co_await callers.Shutdown();
    co_await server.End();
  }

  ApiServer server;
  TestDirectory state;
  Tokens tokens{state.Of("tokens")};
  std::shared_ptr<const ObjectSet> objects = std::make_shared<const ObjectSet>(ObjectsOf(kMesh));
  obs::Logger log;
  Callers callers;
};

using Story = Task<void> (*)(World& world);

Task<void> TellIn(Story story) {
  World world;
  world.callers.ReviewBy(world.server.access());
  co_await story(world);
  co_await world.End();
}
void Tell(Story story) { test::Run(TellIn(story)); }

Task<void> KnowsNodes(World& world) {
  world.server.Vouch("a.b.proxy", StatusOf("nodes:proxy", "proxy-1"));
  world.server.Vouch("a.b.ended", StatusOf("nodes:proxy", "ended"));
  world.server.Vouch("a.b.gone", StatusOf("nodes:proxy", "gone"));
  world.server.Vouch("a.b.stolen", StatusOf("nodes:proxy", "other"));
  CHECK(co_await world.Find("a.b.proxy") == "node one");
  for (const char* token : {"a.b.ended", "a.b.gone", "a.b.stolen", "a.b.unknown"}) {
    INFO(token);
    std::string shown = token;
    const std::string caller = co_await world.Find(std::move(shown));
    CHECK(caller == "nobody");
  }
}

Task<void> KnowsWaypoints(World& world) {
  world.server.Vouch("a.b.way", StatusOf("web:way", "way-1"));
  world.server.Vouch("a.b.app", StatusOf("web:app", "app-1"));
  CHECK(co_await world.Find("a.b.way") == "spiffe://cluster.local/ns/web/sa/way");
  CHECK(co_await world.Find("a.b.app") == "nobody");
}

Task<void> AsksOnce(World& world) {
  world.server.Vouch("a.b.proxy", StatusOf("nodes:proxy", "proxy-1"));
  CHECK(co_await world.Find("a.b.proxy") == "node one");
  world.server.Answer("/apis/authentication.k8s.io/v1/tokenreviews", 500);
  CHECK(co_await world.Find("a.b.proxy") == "node one");
  CHECK(co_await world.Find("a.b.bad") == "nobody");
  CHECK(co_await world.Find("no-jwt") == "nobody");
  CHECK(world.server.reviews() == 1);
  // The objects count as they are now, whatever was said of the token.
  world.objects = std::make_shared<const ObjectSet>();
  CHECK(co_await world.Find("a.b.proxy") == "nobody");
}

}  // namespace

TEST_CASE("a node proxy is the node of the pod that its token is bound to") { Tell(&KnowsNodes); }
TEST_CASE("an account is known if a Gateway runs as it") { Tell(&KnowsWaypoints); }
TEST_CASE("a token is reviewed once, and its caller is found anew each time") { Tell(&AsksOnce); }

}  // namespace aquifer::control
