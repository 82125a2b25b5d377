#include "node-proxy/judgement.h"

#include "tests/support/run_task.h"
#include "tests/support/turn.h"
#include "tests/unit/node/inbound_world.h"

namespace aquifer::node {
namespace {

using mesh::PolicyAction;
using mesh::Verdict;
using test::World;

const mesh::LocalName kServer{.ns = "default", .name = "server", .service_account = "web"};
const Address kTarget{test::kServerIp, 8080};
constexpr auto kWait = InboundConnections::kPolicyWait;

mesh::Policy Everybody(PolicyAction action, std::string name = "selected") {
  mesh::Policy policy = mesh::PolicyFor(std::move(name), mesh::PolicyScope::kWorkloadSelector);
  policy.action = action;
  policy.rules = {{}};
  return policy;
}

// A connection to the server, whose workload names these policies.
struct Judged {
  explicit Judged(World& w, std::vector<std::string> names) : world(w) {
    world.Populate(80, 8080);
    Attach(std::move(names));
    entry.SetTarget(kTarget);
  }
  void Attach(std::vector<std::string> names) {
    mesh::Workload server = World::Server(80, 8080);
    server.authorization_policies.assign(names.begin(), names.end());
    world.builder.Put(server);
    world.Publish();
  }
  Task<void> Start() {
    began = Loop::Current().now();
    decision = co_await Judge(world.context, entry);
    took = Loop::Current().now() - began;
  }

  World& world;
  InboundConnections::Entry entry{world.connections, kServer, std::nullopt, test::kClientIp,
                                  StopToken()};
  std::optional<mesh::Decision> decision;
  TimePoint began;
  Clock::duration took{};
};

Task<void> WaitsForThePolicy(PolicyAction action, Verdict expected) {
  World world;
  {
    Judged judged(world, {"default/selected"});
    Scope judging;
    judging.Spawn(judged.Start());
    co_await aquifer::test::Turn();
    CHECK_FALSE(judged.decision.has_value());
    world.builder.Put(Everybody(PolicyAction::kDeny, "another"));
    world.Publish();  // not what it waits for
    co_await aquifer::test::Turn();
    CHECK_FALSE(judged.decision.has_value());
    world.builder.Put(Everybody(action));
    world.Publish();
    co_await judging.Join();
    CHECK(judged.decision->verdict == expected);
    CHECK(judged.took < kWait);
  }
  co_await world.End();
}

TEST_CASE("a policy that a workload names before it is known is waited for") {
  aquifer::test::RunVirtual(WaitsForThePolicy(PolicyAction::kAllow, Verdict::kAllowed));
  aquifer::test::RunVirtual(WaitsForThePolicy(PolicyAction::kDeny, Verdict::kDenied));
}

Task<void> WaitsNoLonger() {
  World world;
  {
    Judged judged(world, {"default/selected"});
    co_await judged.Start();
    CHECK(judged.decision->verdict == Verdict::kMissingPolicy);
    CHECK(judged.took == kWait);
    CHECK_FALSE(judged.entry.token().requested());
  }
  co_await world.End();
}

TEST_CASE("a policy that does not come denies after a moment") {
  aquifer::test::RunVirtual(WaitsNoLonger());
}

Task<void> EndsWithItsConnection() {
  World world;
  {
    Judged judged(world, {"default/selected"});
    Scope judging;
    judging.Spawn(judged.Start());
    co_await aquifer::test::Turn();
    judged.entry.stop().RequestStop(Reason::kStopped);
    co_await judging.Join();
    CHECK_FALSE(judged.decision->allowed());
    CHECK(judged.took == Clock::duration::zero());
  }
  co_await world.End();
}

TEST_CASE("the wait for a policy ends with the connection") {
  aquifer::test::RunVirtual(EndsWithItsConnection());
}

// An open connection is let be for the same moment.
Task<void> OpenWaits(bool comes) {
  World world;
  {
    Judged judged(world, {});
    co_await judged.Start();
    CHECK(judged.decision->allowed());
    judged.Attach({"default/selected"});
    CHECK_FALSE(judged.entry.token().requested());
    std::ignore = co_await SleepFor(kWait - std::chrono::seconds(1), StopToken());
    if (comes) world.builder.Put(Everybody(PolicyAction::kAllow));
    world.Publish();
    CHECK_FALSE(judged.entry.token().requested());
    std::ignore = co_await SleepFor(std::chrono::seconds(2), StopToken());
    CHECK(judged.entry.token().requested() != comes);
  }
  co_await world.End();
}

TEST_CASE("an open connection outlasts a policy that is attached first and told next") {
  aquifer::test::RunVirtual(OpenWaits(true));
}

TEST_CASE("an open connection ends when an attached policy does not come") {
  aquifer::test::RunVirtual(OpenWaits(false));
}

Task<void> EachHasItsMoment() {
  World world;
  {
    Judged judged(world, {});
    co_await judged.Start();
    judged.Attach({"default/selected"});
    std::ignore = co_await SleepFor(std::chrono::seconds(2), StopToken());
    judged.Attach({});
    std::ignore = co_await SleepFor(std::chrono::seconds(2), StopToken());
    judged.Attach({"default/other"});
    std::ignore = co_await SleepFor(kWait - std::chrono::seconds(1), StopToken());
    CHECK_FALSE(judged.entry.token().requested());
    std::ignore = co_await SleepFor(std::chrono::seconds(2), StopToken());
    CHECK(judged.entry.token().requested());
    CHECK(judged.entry.token().reason() == Reason::kPolicyChanged);
  }
  co_await world.End();
}

TEST_CASE("every absence of a policy has its own moment") {
  aquifer::test::RunVirtual(EachHasItsMoment());
}

Task<void> DeniesMeanwhile() {
  World world;
  {
    Judged judged(world, {});
    co_await judged.Start();
    world.builder.Put(Everybody(PolicyAction::kDeny, "known"));
    judged.Attach({"default/known", "default/unknown"});
    CHECK(judged.entry.token().requested());
    Judged other(world, {"default/known", "default/unknown"});
    co_await other.Start();
    CHECK(other.decision->verdict == Verdict::kDenied);
    CHECK(other.took == Clock::duration::zero());
  }
  co_await world.End();
}

TEST_CASE("what is known to deny does not wait for what is unknown") {
  aquifer::test::RunVirtual(DeniesMeanwhile());
}

Task<void> TellsOfDryRuns() {
  World world;
  mesh::Policy deny = Everybody(PolicyAction::kDeny, "dry-deny");
  mesh::Policy allow = Everybody(PolicyAction::kAllow, "dry-allow");
  deny.dry_run = allow.dry_run = true;
  world.builder.Put(deny);
  world.builder.Put(allow);
  {
    Judged judged(world, {"default/dry-deny", "default/dry-allow"});
    co_await judged.Start();
    CHECK(judged.decision->allowed());
    CHECK(world.lines
              .With({"\tinfo\trbac\tdry run: would be denied", "policy=default/dry-deny",
                     "src.addr=127.0.0.1", "dst.addr=127.0.0.2:8080"})
              .size() == 1);
    CHECK(world.lines.With({"\tinfo\trbac\tdry run: would be allowed", "policy=default/dry-allow"})
              .size() == 1);
    CHECK(world.lines.With({"\trbac\t"}).size() == 2);  // the judgement itself is for debug
    for (int i = 0; i < 100; ++i) co_await judged.Start();
    CHECK(world.lines.With({"\trbac\t"}).size() < 100);
  }
  co_await world.End();
}

TEST_CASE("what dry-run policies would have done is told, and not for every connection") {
  aquifer::test::RunVirtual(TellsOfDryRuns());
}

Task<void> TellsOfJudgements() {
  World world;
  world.config.policy_info_logging = true;
  world.builder.Put(Everybody(PolicyAction::kDeny));
  {
    Judged judged(world, {"default/selected"});
    co_await judged.Start();
    CHECK(world.lines
              .With({"\tinfo\trbac\texplicitly denied by: default/selected", "src.addr=127.0.0.1"})
              .size() == 1);
  }
  co_await world.End();
}

TEST_CASE("AUTHZ_POLICY_INFO_LOGGING tells of every judgement at info") {
  aquifer::test::RunVirtual(TellsOfJudgements());
}

}  // namespace
}  // namespace aquifer::node
