// A reader of a cluster beside an API server that lists, watches and fails: what is handed on, and
// which requests it takes.
#include "control/kube/cluster_reader.h"

#include "core/rt/timer.h"
#include "tests/component/control/cluster.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/story.h"

namespace aquifer::control {
namespace {

using aquifer::test::Tell;

using Names = std::vector<std::string>;

const std::string kPods = "/api/v1/pods";
const std::string kPolicies = "/apis/security.istio.io/v1/authorizationpolicies";
const std::string kRoutes = "/apis/gateway.networking.k8s.io/v1/httproutes";
const std::string kOldRoutes = "/apis/gateway.networking.k8s.io/v1beta1/httproutes";

std::string PodJson(const std::string& name, const std::string& ip = "10.0.0.1") {
  return R"({"metadata":{"namespace":"web","name":")" + name + R"("},"status":{"podIP":")" + ip +
         R"("}})";
}
std::string RouteJson(const std::string& name) {
  return R"({"metadata":{"namespace":"web","name":")" + name + R"("},"spec":{}})";
}
std::string PolicyJson(const std::string& action) {
  return R"({"metadata":{"namespace":"web","name":"p"},"spec":{"action":")" + action + R"("}})";
}

FollowOptions Fast() {
  FollowOptions options;
  options.first_backoff = std::chrono::milliseconds(1);
  options.longest_backoff = std::chrono::milliseconds(4);
  options.absent_period = std::chrono::milliseconds(2);
  options.shortest_watch = std::chrono::milliseconds(1);
  options.page_objects = 2;
  return options;
}

class World {
 public:
  void Start() {
    const ClusterAccess access = server.access();
    reader_.emplace(
        access, [this](Observation observation) { Take(std::move(observation)); }, log_, Fast(), 1);
  }
  Task<void> End() {
    if (reader_) co_await reader_->End();
    co_await server.End();
  }

  // Waits until that holds of what was handed on last.
  using Holds = bool (*)(const World& world);
  Task<void> Until(Holds holds) {
    TimedStop timed(StopToken(), std::chrono::seconds(30), Reason::kTimeout);
    while (!holds(*this)) {
      const Status waited = co_await seen_.Wait(timed.token());
      REQUIRE(waited.ok());
      seen_.Reset();
    }
  }
  // The same of the server's counts.
  Task<void> UntilAsked(Holds holds) {
    TimedStop timed(StopToken(), std::chrono::seconds(30), Reason::kTimeout);
    while (!holds(*this)) {
      const Status waited = co_await server.news().Wait(timed.token());
      REQUIRE(waited.ok());
    }
  }

  Names Pods() const {
    Names names;
    for (const auto& [key, pod] : last.objects.pods) names.push_back(key.second);
    return names;
  }
  std::string Problems() const {
    std::string text;
    for (const ManifestRefusal& refusal : last.refusals) text += refusal.ToString() + "\n";
    return text;
  }

  mutable ApiServer server;
  Observation last;
  int observations = 0;
  bool pods_were_missing = false;  // once handed on, they never may be

 private:
  void Take(Observation observation) {
    if (!last.objects.pods.empty() && observation.objects.pods.empty()) pods_were_missing = true;
    last = std::move(observation);
    ++observations;
    seen_.Set();
  }

  obs::Logger log_{test::QuietLog()};
  Event seen_;
  std::optional<ClusterReader> reader_;
};

Task<void> Pages(World& world) {
  for (const char* name : {"a", "b", "c", "d", "e"}) world.server.Put(kPods, PodJson(name));
  world.Start();
  co_await world.Until([](const World& w) { return w.observations > 0; });
  CHECK(world.Pods() == Names{"a", "b", "c", "d", "e"});
  CHECK(world.server.CountsOf(kPods).lists == 1);
  CHECK(world.server.CountsOf(kPods).pages == 3);
  CHECK(world.server.connections() == 1);
}

Task<void> Follows(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.Start();
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a"}; });
  world.server.Put(kPods, PodJson("b"));
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a", "b"}; });
  world.server.Put(kPods, PodJson("a", "10.0.0.9"));
  co_await world.Until([](const World& w) {
    return FindObject(w.last.objects.pods, "web", "a")->ips.at(0).ToString() == "10.0.0.9";
  });
  world.server.Remove(kPods, "a");
  co_await world.Until([](const World& w) { return w.Pods() == Names{"b"}; });
  CHECK(world.server.CountsOf(kPods).lists == 1);
}

Task<void> WaitsForPolicies(World& world) {
  world.server.Answer(kPolicies, 403, "authorizationpolicies is forbidden");
  world.server.Put(kPods, PodJson("a"));
  world.Start();
  co_await world.UntilAsked([](const World& w) {
    return w.server.CountsOf(kPolicies).refused >= 3 && w.server.CountsOf(kPods).watches >= 1;
  });
  CHECK(world.observations == 0);
  world.server.Put(kPolicies, PolicyJson("ALLOW"));
  world.server.Answer(kPolicies, 0);
  co_await world.Until([](const World& w) { return w.observations > 0; });
  CHECK(world.last.objects.authorization_policies.size() == 1);
}

Task<void> GoesOn(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.Start();
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a"}; });
  co_await world.UntilAsked([](const World& w) { return w.server.CountsOf(kPods).watches == 1; });
  world.server.BreakConnections();
  world.server.Put(kPods, PodJson("b"));
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a", "b"}; });
  world.server.EndWatches();
  world.server.Put(kPods, PodJson("c"));
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a", "b", "c"}; });
  CHECK(world.server.CountsOf(kPods).lists == 1);
  CHECK(world.server.connections() == 2);
}

Task<void> ListsAgain(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.server.Put(kPods, PodJson("b"));
  world.Start();
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a", "b"}; });
  co_await world.UntilAsked([](const World& w) { return w.server.CountsOf(kPods).watches == 1; });
  world.server.Forget(kPods, "a");
  world.server.Compact();
  world.server.EndWatches();
  co_await world.Until([](const World& w) { return w.Pods() == Names{"b"}; });
  CHECK(world.server.CountsOf(kPods).lists == 2);
  CHECK_FALSE(world.pods_were_missing);
  CHECK(world.Problems().empty());
}

Task<void> FollowsBookmarks(World& world) {
  world.Start();
  co_await world.UntilAsked([](const World& w) { return w.server.CountsOf(kPods).watches == 1; });
  world.server.Bookmark(kPods);
  world.server.Compact();
  // Behind the bookmark on the same stream, so that its arrival tells that the bookmark was taken.
  world.server.Put(kPods, PodJson("a"));
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a"}; });
  world.server.Bookmark(kPods);
  world.server.Compact();
  world.server.EndWatches();
  co_await world.UntilAsked([](const World& w) { return w.server.CountsOf(kPods).watches == 2; });
  CHECK(world.server.CountsOf(kPods).lists == 1);
  CHECK(world.server.CountsOf(kPods).position == "103");
}

Task<void> StaysInAnOutage(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.Start();
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a"}; });
  world.server.Answer(kPods, 503, "etcd is away");
  world.server.EndWatches();
  co_await world.Until([](const World& w) { return !w.Problems().empty(); });
  CHECK(world.Problems() ==
        "cluster, pods: cannot be followed in all namespaces: 503 etcd is away\n");
  CHECK(world.Pods() == Names{"a"});
  world.server.Answer(kPods, 0);
  world.server.Put(kPods, PodJson("b"));
  co_await world.Until([](const World& w) { return w.Problems().empty() && w.Pods().size() == 2; });
  CHECK(world.server.CountsOf(kPods).lists == 1);
  CHECK_FALSE(world.pods_were_missing);
}

Task<void> FindsWhatComesLater(World& world) {
  world.server.StopServing(kRoutes);
  world.Start();
  co_await world.Until([](const World& w) { return w.observations > 0; });
  CHECK(world.last.objects.http_routes.empty());
  CHECK(world.Problems().empty());
  world.server.Put(kOldRoutes, RouteJson("r"));
  world.server.Serve(kOldRoutes);
  co_await world.Until([](const World& w) { return w.last.objects.http_routes.size() == 1; });
  world.server.Put(kOldRoutes, RouteJson("s"));
  co_await world.Until([](const World& w) { return w.last.objects.http_routes.size() == 2; });
}

Task<void> DoubtsAbsence(World& world) {
  world.server.Put(kRoutes, RouteJson("r"));
  world.Start();
  co_await world.Until([](const World& w) { return w.last.objects.http_routes.size() == 1; });
  const int before = world.server.CountsOf(kRoutes).refused;
  world.server.StopServing(kRoutes);
  co_await world.Until([](const World& w) { return w.last.objects.http_routes.empty(); });
  // The watch, and as many looks as it takes.
  CHECK(world.server.CountsOf(kRoutes).refused - before >= 1 + Fast().absences);
}

Task<void> SurvivesNonsense(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.Start();
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a"}; });
  co_await world.UntilAsked([](const World& w) { return w.server.CountsOf(kPods).watches == 1; });
  world.server.Say(kPods, "<html>\n");
  world.server.Put(kPods, PodJson("b"));
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a", "b"}; });
  CHECK(world.server.CountsOf(kPods).lists == 2);
  CHECK_FALSE(world.pods_were_missing);
}

Task<void> AsksForLess(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.server.Put(kPods, PodJson("b"));
  world.server.SpoilPagesOver(1);
  world.Start();
  co_await world.Until([](const World& w) { return w.Pods() == Names{"a", "b"}; });
}

Task<void> ShowsItsToken(World& world) {
  ClusterAccess access = world.server.access();
  access.token = "somebody-else";
  ApiClient client(access, &certs::SystemWallTime);
  ApiRequest request{.path = kPods + "?limit=1"};
  const auto answer =
      co_await client.Call(std::move(request), 1000, std::chrono::seconds(30), StopToken());
  REQUIRE(!answer.ok());
  CHECK(answer.error().status == 401);
  co_await client.Shutdown();
}

Task<void> ChecksTheServer(World& world) {
  ClusterAccess access = world.server.access();
  access.host_name = "api.elsewhere";
  ApiClient client(access, &certs::SystemWallTime);
  ApiRequest request{.path = kPods + "?limit=1"};
  const auto answer =
      co_await client.Call(std::move(request), 1000, std::chrono::seconds(30), StopToken());
  REQUIRE(!answer.ok());
  CHECK(answer.error().error.reason == Reason::kIdentityMismatch);
  co_await client.Shutdown();
}

}  // namespace

TEST_CASE("a cluster is listed in pages over one connection") { Tell(&Pages); }
TEST_CASE("objects are followed as they come, change and go") { Tell(&Follows); }
TEST_CASE("nothing is handed on before every kind is known") { Tell(&WaitsForPolicies); }
TEST_CASE("a watch that ended or broke goes on where it was, without a list") { Tell(&GoesOn); }
TEST_CASE(
    "a position that is too old is answered by a new list, and nothing is missing meanwhile") {
  Tell(&ListsAgain);
}
TEST_CASE("bookmarks keep a position young") { Tell(&FollowsBookmarks); }
TEST_CASE("in an outage objects stay and the problem is told until it is over") {
  Tell(&StaysInAnOutage);
}
TEST_CASE("a kind that is not served is found when it is, in the version there is") {
  Tell(&FindsWhatComesLater);
}
TEST_CASE("objects of a kind that is no longer served go only after several looks") {
  Tell(&DoubtsAbsence);
}
TEST_CASE("a line that is no event leads to a new list") { Tell(&SurvivesNonsense); }
TEST_CASE("pages that cannot be read are asked for in smaller ones") { Tell(&AsksForLess); }
TEST_CASE("a wrong token is a failure with the server's status") { Tell(&ShowsItsToken); }
TEST_CASE("a server of another name is not spoken to") { Tell(&ChecksTheServer); }

}  // namespace aquifer::control
