// Who is calling, by tokens that an API server judges.
#include "control/callers.h"

#include "absl/strings/escaping.h"
#include "control/kube/values.h"
#include "core/rt/scope.h"
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

// Of an account ("nodes:proxy") and pod; `salt` makes it another one.
std::string Token(const std::string& account, const std::string& pod,
                  const std::string& salt = "") {
  const Json payload = {{"sub", "system:serviceaccount:" + account},
                        {"aud", Json::array({"istio-ca"})},
                        {"exp", 4'000'000'000},
                        {"kubernetes.io", {{"pod", {{"name", pod}}}}},
                        {"jti", salt}};
  return "e30." + absl::WebSafeBase64Escape(payload.dump()) + ".c2ln";
}

const Ip kHome = Ip::V4(10, 0, 0, 1);  // of proxy-1
const Ip kElsewhere = Ip::V4(10, 9, 9, 9);

struct World {
  World() : log(test::QuietLog()), callers(tokens, objects, OptionsOf(), log) {
    REQUIRE(tokens.Follow({WorkloadCaller{{"cluster.local", "web", "way"}}}).ok());
  }
  static CallerOptions OptionsOf() {
    CallerOptions options;
    options.node_accounts = {{"nodes", "proxy"}};
    return options;
  }
  Task<std::string> Find(std::string token, Ip peer = kElsewhere) {
    http::RequestHead head;
    head.headers.Set("authorization", "Bearer " + token);
    const std::optional<Caller> caller = co_await callers.Find(head, peer, stop.token());
    co_return caller ? ToString(*caller) : "nobody";
  }
  // A stranger's whole visit: what comes of it does not matter.
  Task<void> Bother(std::string token, Ip peer) {
    std::ignore = co_await Find(std::move(token), peer);
  }
  Task<void> End() {
    co_await callers.Shutdown();
    co_await server.End();
  }

  StopSource stop;
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
  const std::string proxy = Token("nodes:proxy", "proxy-1");
  world.server.Vouch(proxy, StatusOf("nodes:proxy", "proxy-1"));
  CHECK(co_await world.Find(proxy) == "node one");
  // Whatever a token claims: the API server's word counts.
  const std::string stolen = Token("nodes:proxy", "proxy-1", "stolen");
  world.server.Vouch(stolen, StatusOf("nodes:proxy", "other"));
  const std::string unknown = Token("nodes:proxy", "proxy-1", "unknown");
  for (const std::string& token : {stolen, unknown}) {
    std::string shown = token;
    const std::string caller = co_await world.Find(std::move(shown));
    CHECK(caller == "nobody");
  }
}

Task<void> KnowsWaypoints(World& world) {
  const std::string way = Token("web:way", "way-1");
  world.server.Vouch(way, StatusOf("web:way", "way-1"));
  CHECK(co_await world.Find(way) == "spiffe://cluster.local/ns/web/sa/way");
}

Task<void> AsksOnce(World& world) {
  const std::string token = Token("nodes:proxy", "proxy-1");
  world.server.Vouch(token, StatusOf("nodes:proxy", "proxy-1"));
  CHECK(co_await world.Find(token) == "node one");
  world.server.Answer("/apis/authentication.k8s.io/v1/tokenreviews", 500);
  CHECK(co_await world.Find(token) == "node one");
  CHECK(co_await world.Find(Token("nodes:proxy", "proxy-1", "bad")) == "nobody");
  CHECK(world.server.reviews() == 1);
  // The objects count as they are now, whatever was said of the token.
  world.objects = std::make_shared<const ObjectSet>();
  CHECK(co_await world.Find(token) == "nobody");
}

Task<void> DoesNotAskInVain(World& world) {
  for (const auto& [account, pod] :
       std::vector<std::pair<std::string, std::string>>{{"nodes:proxy", "ended"},
                                                        {"nodes:proxy", "gone"},
                                                        {"nodes:proxy", "other"},
                                                        {"nodes:proxy", ""},
                                                        {"web:app", "app-1"}}) {
    INFO(account + " " + pod);
    std::string token = Token(account, pod);
    world.server.Vouch(token, StatusOf(account, pod));
    const std::string caller = co_await world.Find(std::move(token));
    CHECK(caller == "nobody");
  }
  CHECK(co_await world.Find("no-jwt") == "nobody");
  CHECK(co_await world.Find("a.b.c") == "nobody");
  CHECK(world.server.reviews() == 0);
}

// The API server answers none of the strangers' questions, and those of a node at once.
Task<void> LetsNodesPassStrangers(World& world) {
  const std::string first = Token("nodes:proxy", "proxy-1");
  world.server.Vouch(first, StatusOf("nodes:proxy", "proxy-1"));
  world.server.HoldUnknownReviews();
  Scope strangers;
  for (int i = 0; i < 200; ++i) {
    const Ip peer = Ip::V4(10, 9, 1, static_cast<std::uint8_t>(i));
    strangers.Spawn(world.Bother(Token("nodes:proxy", "proxy-1", std::to_string(i)), peer));
  }
  while (world.server.reviews() < 16) {
    REQUIRE((co_await world.server.news().Wait(world.stop.token())).ok());
  }
  CHECK(co_await world.Find(first) == "nobody");
  CHECK(co_await world.Find(first, kHome) == "node one");
  CHECK(world.server.reviews() == 17);
  world.stop.RequestStop();
  co_await strangers.Join();
}

}  // namespace

TEST_CASE("a node proxy is the node of the pod that its token is bound to") { Tell(&KnowsNodes); }
TEST_CASE("a token that claims to be nobody's whom the mesh knows is not asked about") {
  Tell(&DoesNotAskInVain);
}
TEST_CASE("strangers with ever new tokens do not keep a node at its own address waiting") {
  Tell(&LetsNodesPassStrangers);
}
TEST_CASE("an account is known if a Gateway runs as it") { Tell(&KnowsWaypoints); }
TEST_CASE("a token is reviewed once, and its caller is found anew each time") { Tell(&AsksOnce); }

}  // namespace aquifer::control
