#include "redirect/zds_agent.h"

#include "tests/unit/redirect/support.h"

namespace aquifer::redirect {
namespace {

using std::chrono::seconds;
using test::AnyNetns;
using test::MakePod;

const TimePoint kStart = TimePoint() + seconds(1000);

PodTable Table(const std::vector<Pod>& pods) {
  PodTable table;
  for (const Pod& pod : pods) table.emplace(pod.uid, pod);
  return table;
}

// Answers everything with success and returns what was sent: "add a", "snapshot_sent ".
std::vector<std::string> RunUntilQuiet(ZdsAgent& agent, const PodTable& pods, ProxyRole role,
                                       TimePoint now = kStart) {
  std::vector<std::string> sent;
  while (const auto next = agent.Next(pods, role, now)) {
    sent.push_back(std::string(next->word) + " " + next->uid);
    static_cast<void>(agent.Acknowledged("", now));
  }
  return sent;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("a new connection gets every pod and then the end of the snapshot") {
  ZdsAgent agent;
  const PodTable pods = Table({MakePod("a"), MakePod("b")});
  CHECK(RunUntilQuiet(agent, pods, ProxyRole::kNewest) ==
        Words{"add a", "add b", "snapshot_sent "});
  CHECK(RunUntilQuiet(agent, pods, ProxyRole::kNewest).empty());
}

TEST_CASE("an Add goes with the pod's namespace and nothing else does") {
  ZdsAgent agent;
  const Pod pod = MakePod("a");
  const PodTable pods = Table({pod});
  const auto add = agent.Next(pods, ProxyRole::kNewest, kStart);
  REQUIRE(add.has_value());
  CHECK(add->netns == pod.netns);
  static_cast<void>(agent.Acknowledged("", kStart));
  const auto snapshot = agent.Next(pods, ProxyRole::kNewest, kStart);
  REQUIRE(snapshot.has_value());
  CHECK(snapshot->netns == nullptr);
  CHECK(agent.outstanding());
}

TEST_CASE("a pod whose namespace is lost is kept inside the snapshot and not mentioned after it") {
  ZdsAgent agent;
  CHECK(RunUntilQuiet(agent, Table({MakePod("a", nullptr)}), ProxyRole::kNewest) ==
        Words{"keep a", "snapshot_sent "});
  const PodTable more = Table({MakePod("a", nullptr), MakePod("b", nullptr)});
  CHECK(RunUntilQuiet(agent, more, ProxyRole::kNewest).empty());
}

TEST_CASE("a kept pod whose namespace is found again is added") {
  ZdsAgent agent;
  RunUntilQuiet(agent, Table({MakePod("a", nullptr)}), ProxyRole::kNewest);
  CHECK(RunUntilQuiet(agent, Table({MakePod("a")}), ProxyRole::kNewest) == Words{"add a"});
}

TEST_CASE("a pod that came or went after the snapshot is added or deleted once") {
  ZdsAgent agent;
  const Pod a = MakePod("a");
  const Pod b = MakePod("b");
  RunUntilQuiet(agent, Table({a}), ProxyRole::kNewest);
  CHECK(RunUntilQuiet(agent, Table({a, b}), ProxyRole::kNewest) == Words{"add b"});
  CHECK(RunUntilQuiet(agent, Table({b}), ProxyRole::kNewest) == Words{"del a"});
  CHECK(RunUntilQuiet(agent, Table({b}), ProxyRole::kNewest).empty());
}

TEST_CASE("a pod in a new sandbox is added again") {
  ZdsAgent agent;
  RunUntilQuiet(agent, Table({MakePod("a")}), ProxyRole::kNewest);
  CHECK(RunUntilQuiet(agent, Table({MakePod("a")}), ProxyRole::kNewest) == Words{"add a"});
}

TEST_CASE(
    "an older proxy hears of removals only, and of what it missed once it is the newest again") {
  ZdsAgent agent;
  const Pod a = MakePod("a");
  const Pod b = MakePod("b");
  const Pod c = MakePod("c");
  RunUntilQuiet(agent, Table({a, b}), ProxyRole::kNewest);
  CHECK(RunUntilQuiet(agent, Table({b, c}), ProxyRole::kOlder) == Words{"del a"});
  CHECK(RunUntilQuiet(agent, Table({b, c}), ProxyRole::kNewest) == Words{"add c"});
}

TEST_CASE("an older proxy whose snapshot had begun gets the rest of it") {
  ZdsAgent agent;
  const PodTable pods = Table({MakePod("a"), MakePod("b")});
  REQUIRE(agent.Next(pods, ProxyRole::kNewest, kStart).has_value());
  static_cast<void>(agent.Acknowledged("", kStart));
  CHECK(RunUntilQuiet(agent, pods, ProxyRole::kOlder) == Words{"add b", "snapshot_sent "});
}

TEST_CASE("a pod that the proxy could not start is sent again after five seconds") {
  ZdsAgent agent;
  const PodTable pods = Table({MakePod("a")});
  REQUIRE(agent.Next(pods, ProxyRole::kNewest, kStart).has_value());
  const ZdsAgent::Outcome outcome = agent.Acknowledged("port in use", kStart);
  CHECK(outcome.uid == "a");
  CHECK(outcome.added);
  CHECK(outcome.error == "port in use");
  CHECK(RunUntilQuiet(agent, pods, ProxyRole::kNewest) == Words{"snapshot_sent "});
  CHECK(agent.retry_at() == kStart + seconds(5));
  const TimePoint later = kStart + seconds(5);
  CHECK(RunUntilQuiet(agent, pods, ProxyRole::kNewest, later) == Words{"add a"});
  CHECK(agent.retry_at() == TimePoint::max());
}

TEST_CASE("a pod that no packet can carry is reported once and costs the others nothing") {
  ZdsAgent agent;
  Pod odd = MakePod("a");
  odd.info.service_account = "not a name";
  const PodTable pods = Table({odd, MakePod("b")});
  CHECK(RunUntilQuiet(agent, pods, ProxyRole::kNewest) == Words{"add b", "snapshot_sent "});
  const auto outcomes = agent.TakeUnsendable();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].uid == "a");
  CHECK_FALSE(outcomes[0].error.empty());
  CHECK(RunUntilQuiet(agent, pods, ProxyRole::kNewest, kStart + std::chrono::hours(1)).empty());
  CHECK(agent.TakeUnsendable().empty());
}

TEST_CASE("a pod is served once the proxy has said so, and as long as its sandbox is that one") {
  ZdsAgent agent;
  using Standing = ZdsAgent::Standing;
  const Pod pod = MakePod("a");
  const PodTable pods = Table({pod});
  CHECK(agent.StandingOf(pod).standing == Standing::kUntold);
  REQUIRE(agent.Next(pods, ProxyRole::kNewest, kStart).has_value());
  CHECK(agent.StandingOf(pod).standing == Standing::kUntold);
  static_cast<void>(agent.Acknowledged("", kStart));
  CHECK(agent.StandingOf(pod).standing == Standing::kServed);
  CHECK(agent.StandingOf(MakePod("a")).standing == Standing::kUntold);
}

TEST_CASE("a pod that the proxy refused stands as failed with the proxy's words") {
  ZdsAgent agent;
  const Pod pod = MakePod("a");
  REQUIRE(agent.Next(Table({pod}), ProxyRole::kNewest, kStart).has_value());
  static_cast<void>(agent.Acknowledged("port in use", kStart));
  CHECK(agent.StandingOf(pod).standing == ZdsAgent::Standing::kFailed);
  CHECK(agent.StandingOf(pod).error == "port in use");
}

TEST_CASE("a pod removed while its Add is outstanding is deleted next") {
  ZdsAgent agent;
  REQUIRE(agent.Next(Table({MakePod("a")}), ProxyRole::kNewest, kStart).has_value());
  static_cast<void>(agent.Acknowledged("", kStart));
  CHECK(RunUntilQuiet(agent, {}, ProxyRole::kNewest) == Words{"del a", "snapshot_sent "});
}

}  // namespace aquifer::redirect
