// The pods of a node beside an API server that lists, watches, patches and fails, and beside a
// /proc of the test's making: which pods are wanted, in which namespace, and what is written on
// them.
#include "redirect/cluster_source.h"

#include <optional>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/component/kube/api_server.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/story.h"
#include "tests/unit/redirect/proc_folder.h"

namespace aquifer::redirect {
namespace {

using aquifer::test::Tell;

using Names = std::vector<std::string>;

const std::string kPods = "/api/v1/pods";
const std::string kNamespaces = "/api/v1/namespaces";
const std::string kStatusOfA = "/api/v1/namespaces/web/pods/a/status";
// One pod's UID for each name, in the form that API servers give them.
std::string UidOf(const std::string& name) {
  return std::string(8, name[0]) + "-1111-1111-1111-111111111111";
}

const std::string kAmbient = R"("labels":{"istio.io/dataplane-mode":"ambient"})";

std::string NamespaceJson(const std::string& name, const std::string& more) {
  return R"({"metadata":{"name":")" + name + R"(",)" + more + "}}";
}
std::string PodJson(const std::string& name, const std::string& more = R"("labels":{})",
                    const std::string& spec = R"("nodeName":"node1")",
                    const std::string& phase = "Running") {
  return R"({"metadata":{"namespace":"web","name":")" + name + R"(","uid":")" + UidOf(name) +
         R"(",)" + more + R"(},"spec":{)" + spec + R"(},"status":{"phase":")" + phase + R"("}})";
}

class World {
 public:
  World() {
    server.Serve(kPods);
    server.Serve(kNamespaces);
    server.Put(kNamespaces, NamespaceJson("web", kAmbient));
  }

  void Start() {
    ClusterSourceOptions options;
    options.access = server.access();
    options.node_name = "node1";
    options.excluded_namespaces = {"kube-system"};
    options.dns = true;
    options.follow.first_backoff = std::chrono::milliseconds(1);
    options.follow.longest_backoff = std::chrono::milliseconds(4);
    options.follow.shortest_watch = std::chrono::milliseconds(1);
    options.notes.first_pause = std::chrono::milliseconds(1);
    options.notes.longest_pause = std::chrono::milliseconds(4);
    options.first_pause = std::chrono::milliseconds(1);
    options.longest_pause = std::chrono::milliseconds(4);
    source.emplace(std::move(options), proc.Processes(), log, 1);
    tasks_.Spawn(source->Follow(changed_, stop_.token()));
  }
  Task<void> End() {
    stop_.RequestStop();
    co_await tasks_.Join();
    co_await server.End();
  }

  void StartPod(int pid, const std::string& name) {
    proc.Start(pid, "0::/kubepods/pod" + UidOf(name) + "/c\n", "netns-" + name, 10 + pid);
  }

  // Looks, as the agent does, until that holds.
  using Holds = bool (*)(World& world);
  Task<void> Until(Holds holds) {
    TimedStop timed(StopToken(), std::chrono::seconds(30), Reason::kTimeout);
    while (true) {
      source->Look();
      if (holds(*this)) co_return;
      const Status waited = co_await changed_.Wait(timed.token());
      REQUIRE(waited.ok());
      changed_.Reset();
    }
  }
  // The same of what the server was asked.
  Task<void> UntilAsked(Holds holds) {
    TimedStop timed(StopToken(), std::chrono::seconds(30), Reason::kTimeout);
    while (!holds(*this)) {
      const Status waited = co_await server.news().Wait(timed.token());
      REQUIRE(waited.ok());
    }
  }

  Names Wanted() const {
    Names names;
    for (const auto& [uid, pod] : source->wanted()) names.push_back(pod.info.name);
    return names;
  }
  std::string Problems() const {
    std::string text;
    for (const Refusal& refusal : source->refusals()) text += refusal.ToString() + "\n";
    return text;
  }
  // What the server has on a pod; "" is nothing.
  std::string NoteOn(const std::string& name) {
    const kube::Json* const pod = server.Find(kPods, name);
    if (pod == nullptr) return "";
    const kube::Json::json_pointer at("/metadata/annotations/ambient.istio.io~1redirection");
    return pod->contains(at) ? pod->at(at).get<std::string>() : "";
  }

  kube::ApiServer server;
  test::ProcFolder proc;
  obs::Logger log{aquifer::test::QuietLog()};
  std::optional<ClusterSource> source;

 private:
  Event changed_;
  StopSource stop_;
  Scope tasks_;
};

Task<void> FindsPods(World& world) {
  world.server.Put(kPods,
                   PodJson("a", R"("annotations":{"ambient.istio.io/dns-capture":"false"})"));
  world.StartPod(100, "a");
  world.Start();
  co_await world.Until([](World& w) { return w.Wanted() == Names{"a"}; });
  const WantedPod& pod = world.source->wanted().at(UidOf("a"));
  CHECK(pod.info == PodInfo{"a", "web", "default"});
  CHECK(pod.netns == world.proc.path() + "/100/ns/net");
  CHECK(pod.sandbox->id() == world.proc.IdOf("netns-a"));
  CHECK(pod.rules == RuleOptions{.inbound = true, .dns = false});
  CHECK(world.source->complete());
  CHECK(world.Problems().empty());
  CHECK(world.server.CountsOf(kPods).selector == "spec.nodeName%3Dnode1");
  CHECK(world.server.CountsOf(kNamespaces).selector.empty());
}

Task<void> ChoosesPods(World& world) {
  const std::string here = R"("nodeName":"node1")";
  world.server.Put(kNamespaces, NamespaceJson("kube-system", kAmbient));
  world.server.Put(kPods, PodJson("a"));
  world.server.Put(kPods, PodJson("b", R"("labels":{"istio.io/dataplane-mode":"none"})"));
  world.server.Put(kPods, PodJson("c", kAmbient, here + R"(,"hostNetwork":true)"));
  world.server.Put(kPods, PodJson("d", R"("annotations":{"sidecar.istio.io/status":"{}"})"));
  world.server.Put(kPods, PodJson("e", kAmbient, here, "Succeeded"));
  world.server.Put(kPods, PodJson("f", R"("namespace":"kube-system")"));
  world.server.Put(kPods, PodJson("0", kAmbient, R"("nodeName":"node2")"));
  int pid = 100;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "0"}) world.StartPod(pid++, name);
  world.Start();
  co_await world.Until([](World& w) { return w.Wanted() == Names{"a"}; });
  CHECK(world.source->complete());
  // The labels decide, also when they change.
  world.server.Put(kPods, PodJson("b", kAmbient));
  co_await world.Until([](World& w) { return w.Wanted() == Names{"a", "b"}; });
  world.server.Put(kNamespaces, NamespaceJson("web", R"("labels":{})"));
  co_await world.Until([](World& w) { return w.Wanted() == Names{"b"}; });
  world.server.Put(kPods, PodJson("b", kAmbient, here, "Failed"));
  co_await world.Until([](World& w) { return w.Wanted().empty(); });
}

Task<void> WaitsForProcesses(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.Start();
  co_await world.Until([](World& w) { return !w.Problems().empty(); });
  CHECK(world.Problems() == "Pod web/a: none of its processes is found\n");
  CHECK(world.Wanted().empty());
  world.StartPod(100, "a");
  co_await world.Until([](World& w) { return w.Wanted() == Names{"a"}; });
  CHECK(world.Problems().empty());
}

Task<void> KeepsNamespaces(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.StartPod(100, "a");
  world.Start();
  co_await world.Until([](World& w) { return w.Wanted() == Names{"a"}; });
  // Another change makes it look: the pod has no process at the moment.
  world.proc.End(100);
  world.server.Put(kPods, PodJson("b"));
  world.StartPod(101, "b");
  co_await world.Until([](World& w) { return w.Wanted() == Names{"a", "b"}; });
  CHECK(world.source->wanted().at(UidOf("a")).sandbox->id() == world.proc.IdOf("netns-a"));
  // The runtime takes it down.
  world.source->Drop(UidOf("a"));
  world.source->Look();
  CHECK(world.Wanted() == Names{"b"});
  // A new sandbox of the same pod.
  world.proc.Start(102, "0::/kubepods/pod" + UidOf("a") + "/c\n", "second", 200);
  world.server.Put(kPods, PodJson("c"));
  world.StartPod(103, "c");
  co_await world.Until([](World& w) {
    return w.Wanted().size() == 3 &&
           w.source->wanted().at(UidOf("a")).sandbox->id() == w.proc.IdOf("second");
  });
}

Task<void> IsIncomplete(World& world) {
  world.server.Answer(kNamespaces, 403, "namespaces is forbidden");
  world.server.Put(kPods, PodJson("a", kAmbient));
  world.StartPod(100, "a");
  world.Start();
  co_await world.Until([](World& w) {
    return w.Wanted() == Names{"a"} && w.Problems().find("403") != std::string::npos;
  });
  CHECK_FALSE(world.source->complete());
  CHECK_FALSE(world.source->answered());
  world.server.Answer(kNamespaces, 0);
  co_await world.Until([](World& w) { return w.source->complete(); });
  CHECK(world.source->answered());
}

Task<void> StaysInAnOutage(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.StartPod(100, "a");
  world.Start();
  co_await world.Until([](World& w) { return w.Wanted() == Names{"a"}; });
  world.server.Answer(kPods, 503, "etcd is away");
  world.server.EndWatches();
  co_await world.Until([](World& w) { return !w.Problems().empty(); });
  CHECK(world.Wanted() == Names{"a"});
  CHECK(world.source->complete());
  world.server.Answer(kPods, 0);
  co_await world.Until([](World& w) { return w.Problems().empty(); });
}

Task<void> Notes(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.StartPod(100, "a");
  world.Start();
  co_await world.Until([](World& w) { return w.Wanted() == Names{"a"}; });
  world.source->Tell(UidOf("a"), Redirection::kPending);
  co_await world.UntilAsked([](World& w) { return w.NoteOn("a") == "pending"; });
  world.source->Tell(UidOf("a"), Redirection::kEnabled);
  co_await world.UntilAsked([](World& w) { return w.NoteOn("a") == "enabled"; });
  CHECK(world.server.sent().back().target == kStatusOfA);
  CHECK(world.server.sent().back().content_type == "application/merge-patch+json");
  // Another proxy takes over: nothing to tell.
  const size_t sent = world.server.sent().size();
  world.source->Tell(UidOf("a"), Redirection::kPending);
  world.source->Tell(UidOf("a"), Redirection::kEnabled);
  world.source->Tell(UidOf("a"), Redirection::kNone);
  co_await world.UntilAsked([](World& w) { return w.NoteOn("a").empty(); });
  CHECK(world.server.sent().size() == sent + 1);
}

Task<void> NotesWhatIsOurs(World& world) {
  const std::string noted = R"("annotations":{"ambient.istio.io/redirection":"enabled"})";
  world.server.Put(kPods, PodJson("a", noted));
  world.server.Put(kPods, PodJson("b", noted));
  world.server.Put(kPods, PodJson("c"));
  world.Start();
  co_await world.Until([](World& w) { return w.source->complete(); });
  world.source->Tell(UidOf("a"), Redirection::kPending);  // was served by an earlier run
  world.source->Tell(UidOf("x"), Redirection::kEnabled);  // nobody knows it
  world.source->Tell(UidOf("c"), Redirection::kEnabled);
  co_await world.UntilAsked([](World& w) { return w.NoteOn("c") == "enabled"; });
  CHECK(world.server.sent().size() == 1);
  CHECK(world.NoteOn("b") == "enabled");
}

Task<void> NotesAgain(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.Start();
  co_await world.Until([](World& w) { return w.source->complete(); });
  world.server.Answer(kStatusOfA, 503, "etcd is away");
  world.source->Tell(UidOf("a"), Redirection::kEnabled);
  co_await world.UntilAsked([](World& w) { return w.server.CountsOf(kStatusOfA).refused >= 3; });
  world.server.Answer(kStatusOfA, 0);
  co_await world.UntilAsked([](World& w) { return w.NoteOn("a") == "enabled"; });
}

Task<void> ForgetsPods(World& world) {
  world.server.Put(kPods, PodJson("a"));
  world.server.Put(kPods, PodJson("b"));
  world.Start();
  co_await world.Until([](World& w) { return w.source->complete(); });
  world.server.Forget(kPods, "a");
  world.source->Tell(UidOf("a"), Redirection::kEnabled);
  co_await world.UntilAsked([](World& w) { return w.server.sent().size() == 1; });
  // Once more would be before this one.
  world.source->Tell(UidOf("b"), Redirection::kPending);
  co_await world.UntilAsked([](World& w) { return w.NoteOn("b") == "pending"; });
  world.source->Tell(UidOf("b"), Redirection::kEnabled);
  co_await world.UntilAsked([](World& w) { return w.NoteOn("b") == "enabled"; });
  CHECK(world.server.sent().size() == 3);
}

Task<void> Recovers(World& world) {
  world.StartPod(100, "a");
  world.Start();
  std::vector<WantedPod> former = {
      {.uid = UidOf("a"), .info = {"a", "web", "sa"}, .netns = "/proc/7/ns/net"},
      {.uid = UidOf("b"), .info = {"b", "web", "sa"}, .netns = "/proc/100/ns/net"},
      {.uid = UidOf("c"), .info = {"c", "web", "sa"}, .netns = "/run/netns/cni-1"}};
  const std::vector<WantedPod> found = world.source->Recover(std::move(former));
  REQUIRE(found.size() == 2);
  CHECK(found[1].netns == "/run/netns/cni-1");
  CHECK(found[1].sandbox == nullptr);
  CHECK(found[0].info.name == "a");
  CHECK(found[0].netns == world.proc.path() + "/100/ns/net");
  CHECK(found[0].sandbox->id() == world.proc.IdOf("netns-a"));
  co_return;
}

Task<void> Judges(World& world) {
  const auto find = [&](const std::string& name, const std::string& uid) {
    return world.source->Find({.ns = "web", .name = name, .uid = uid});
  };
  world.server.Put(kPods, PodJson("a"));
  world.server.Put(kPods, PodJson("b", R"("labels":{"istio.io/dataplane-mode":"none"})"));
  world.Start();
  CHECK_FALSE(find("a", UidOf("a")).has_value());
  co_await world.Until([](World& w) { return w.source->complete(); });
  REQUIRE(find("a", UidOf("a")).has_value());
  CHECK(find("a", UidOf("a"))->enrolled);
  CHECK(find("a", UidOf("a"))->pod.info == PodInfo{"a", "web", "default"});
  REQUIRE(find("b", UidOf("b")).has_value());
  CHECK_FALSE(find("b", UidOf("b"))->enrolled);
  CHECK_FALSE(find("a", UidOf("b")).has_value());  // an older pod of that name
  CHECK_FALSE(find("c", UidOf("c")).has_value());
  REQUIRE(world.source->without_netns().size() == 1);
  CHECK(world.source->without_netns().begin()->first == UidOf("a"));
}

}  // namespace

TEST_CASE("pods of the node are wanted in the namespace of their processes") { Tell(&FindsPods); }
TEST_CASE("labels, network, sidecar, phase, node and namespace decide which pods are wanted") {
  Tell(&ChoosesPods);
}
TEST_CASE("a pod without a process is looked for until it has one") { Tell(&WaitsForProcesses); }
TEST_CASE("a pod keeps its namespace until it has processes in another") { Tell(&KeepsNamespaces); }
TEST_CASE("a source is complete once pods and namespaces are known") { Tell(&IsIncomplete); }
TEST_CASE("in an outage wanted pods stay and the problem is told until it is over") {
  Tell(&StaysInAnOutage);
}
TEST_CASE("what becomes of a pod is written on it and taken off it") { Tell(&Notes); }
TEST_CASE("a pod that nobody told of keeps what is written on it") { Tell(&NotesWhatIsOurs); }
TEST_CASE("what could not be written is tried again") { Tell(&NotesAgain); }
TEST_CASE("nothing more is written on a pod that has gone") { Tell(&ForgetsPods); }
TEST_CASE("there is a verdict on a pod once it and its namespace are known") { Tell(&Judges); }
TEST_CASE("pods of an earlier run are found by their UIDs, not by numbers of processes") {
  Tell(&Recovers);
}

}  // namespace aquifer::redirect
