// The agent beside a source that says what the test has it say, and a node proxy over a real
// socket. Without root no pod is captured; what is told and answered then is what is tested here.
#include "redirect/agent.h"

#include <tuple>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "redirect/agent_status.h"
#include "redirect/cni_client.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/story.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/until.h"
#include "tests/unit/redirect/support.h"

namespace aquifer::redirect {
namespace {

using aquifer::test::Tell;

using std::chrono::milliseconds;

// What the test sets and sees of the source; outlives the agent that owns it.
struct Script {
  bool answered = false;
  std::map<std::string, WantedPod> wanted;
  std::vector<WantedPod> recovered;
  size_t asked_to_recover = 0;
  int looks = 0;
  std::map<std::string, Redirection> told;
  Event changed;
};

class ScriptedSource final : public PodSource {
 public:
  explicit ScriptedSource(Script& script) : script_(script) {}

  void Look() override { ++script_.looks; }
  Task<void> Follow(Event& changed, StopToken stop) override {
    while (co_await script_.changed.Wait(stop)) {
      script_.changed.Reset();
      changed.Set();
    }
  }
  const std::map<std::string, WantedPod>& wanted() const override { return script_.wanted; }
  const std::vector<Refusal>& refusals() const override { return refusals_; }
  bool complete() const override { return script_.answered; }
  bool answered() const override { return script_.answered; }
  std::vector<WantedPod> Recover(std::vector<WantedPod> former) override {
    script_.asked_to_recover = former.size();
    return script_.recovered;
  }
  const std::map<std::string, WantedPod>& without_netns() const override { return nowhere_; }
  std::optional<PodVerdict> Find(const PodKey&) const override { return std::nullopt; }
  void Tell(const std::string& uid, Redirection redirection) override {
    script_.told[uid] = redirection;
  }

 private:
  Script& script_;
  const std::vector<Refusal> refusals_;
  const std::map<std::string, WantedPod> nowhere_;
};

class NoPods final : public PodHandler {
 public:
  Task<Result<void, std::string>> StartPod(Pod, StopToken) override {
    co_return std::string("none is expected");
  }
  Task<void> StopPod(std::string) override { co_return; }
};

class World {
 public:
  void Start() {
    AgentOptions options;
    options.node_name = "node1";
    options.zds_socket = folder_.path / "zds.sock";
    options.status_file = status_file();
    agent.emplace(std::move(options), std::make_unique<ScriptedSource>(script), log_);
    REQUIRE(agent->Listen().ok());
    CniClientOptions client;
    client.path = folder_.path / "zds.sock";
    client.first_backoff = milliseconds(1);
    proxy.emplace(std::move(client), pods_, log_);
    tasks_.Spawn(agent->Run(stop_.token()));
    tasks_.Spawn(proxy->Run(stop_.token()));
  }
  Task<void> End() {
    stop_.RequestStop();
    co_await tasks_.Join();
  }
  // The agent has looked that many times more.
  Task<void> UntilLooked(int times) {
    for (const int least = script.looks + times; script.looks < least;) {
      script.changed.Set();
      std::ignore = co_await SleepFor(milliseconds(1), StopToken());
    }
  }
  std::string status_file() const { return folder_.path / "status"; }

  Script script;
  std::optional<Agent> agent;
  std::optional<CniClient> proxy;

 private:
  aquifer::test::TemporaryFolder folder_;
  obs::Logger log_{aquifer::test::QuietLog()};
  NoPods pods_;
  StopSource stop_;
  Scope tasks_;
};

WantedPod PodOf(const std::string& uid) {
  return {.uid = uid, .info = test::InfoOf(uid), .netns = "a", .sandbox = test::AnyNetns()};
}

Task<void> HoldsSnapshots(World& world) {
  world.Start();
  co_await world.UntilLooked(30);
  CHECK_FALSE(world.proxy->ready());
  world.script.answered = true;
  world.script.changed.Set();
  co_await aquifer::test::Until([&] { return world.proxy->ready(); });
}

// Of one pod that an earlier run wrote down.
void WriteStatus(const World& world) {
  AgentStatus status{.node = "node1", .proxies = 0};
  status.pods.push_back({.pod = PodOf("u")});
  REQUIRE(ReplaceFile(world.status_file(), StatusToJson(status)).ok());
}

Task<void> ServesFormerPods(World& world) {
  WriteStatus(world);
  world.script.recovered = {PodOf("u")};
  world.Start();
  co_await aquifer::test::Until([&] { return world.proxy->ready(); });
  CHECK(world.script.asked_to_recover == 1);
  CHECK(world.script.told.at("u") == Redirection::kNone);
}

Task<void> WaitsForLostPods(World& world) {
  WriteStatus(world);
  world.Start();
  co_await world.UntilLooked(30);
  CHECK(world.script.asked_to_recover == 1);
  CHECK_FALSE(world.proxy->ready());
}

// No network namespace, so that its capture cannot be proven.
Task<void> TellsOfFailures(World& world) {
  world.script.answered = true;
  world.script.wanted.emplace("u", PodOf("u"));
  world.Start();
  co_await world.UntilLooked(1);
  REQUIRE(world.script.told.contains("u"));
  CHECK(world.script.told.at("u") == Redirection::kNone);
}

}  // namespace

TEST_CASE("no proxy gets a snapshot before the source has answered") { Tell(&HoldsSnapshots); }
TEST_CASE("with all pods of the earlier run in hand proxies need not wait for the source") {
  Tell(&ServesFormerPods);
}
TEST_CASE("with a pod of the earlier run missing proxies wait for the source") {
  Tell(&WaitsForLostPods);
}
TEST_CASE("a pod whose capture is not proven is told of as none") { Tell(&TellsOfFailures); }

}  // namespace aquifer::redirect
