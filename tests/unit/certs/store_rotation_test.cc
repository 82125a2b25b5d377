// What a store does when the CA's roots, the calendar or its own luck change.
#include "tests/support/run_task.h"
#include "tests/unit/certs/store_world.h"

namespace aquifer::certs {
namespace {

using namespace std::chrono_literals;
using aquifer::test::RunVirtual;
using test::Acquire;
using test::kClientId;
using test::kNow;
using test::kServerId;
using test::SharedCa;
using test::Sleep;
using test::StoreWorld;

Identity Numbered(int number) { return {"cluster.local", "shop", "sa" + std::to_string(number)}; }

RootBundleRef Both() {
  const auto both = RootBundle::FromPem(test::OtherCa().roots()->pem() + SharedCa().roots()->pem());
  REQUIRE(both.ok());
  return *both;
}

Task<void> GetMany(StoreWorld& world, int count) {
  for (int i = 0; i < count; ++i) {
    const Result<CertRef> got = co_await world.Get(Numbered(i));
    REQUIRE(got.ok());
  }
}

int WithRoots(const StoreWorld& world, int count, const RootBundleRef& roots) {
  int found = 0;
  for (int i = 0; i < count; ++i) {
    const CertRef certificate = world.cache.Peek(Numbered(i));
    REQUIRE(certificate != nullptr);
    found += certificate->bundle.roots()->fingerprint() == roots->fingerprint();
  }
  return found;
}

TEST_CASE("bundles of the same roots are alike in any order, and of others are not") {
  const std::string ours = SharedCa().roots()->pem();
  const std::string theirs = test::OtherCa().roots()->pem();
  const auto mixed = RootBundle::FromPem("# rotated\n" + ours + theirs + ours);
  CHECK((*mixed)->fingerprint() == Both()->fingerprint());
  CHECK(Both()->fingerprint() != SharedCa().roots()->fingerprint());
}

Task<void> Converges() {
  constexpr int kMany = 40;
  StoreWorld world;
  co_await GetMany(world, kMany);
  co_await Sleep(3h);
  world.authority.roots = Both();
  CHECK((co_await world.Get(kServerId)).ok());  // the first to hear of it
  CHECK(WithRoots(world, kMany, Both()) == 0);
  co_await Sleep(15s);
  CHECK(WithRoots(world, kMany, Both()) > 5);
  CHECK(WithRoots(world, kMany, Both()) < kMany - 5);
  co_await Sleep(20s);
  CHECK(WithRoots(world, kMany, Both()) == kMany);
  CHECK(world.authority.calls == 2 * kMany + 1);
  CHECK(world.authority.most_at_a_time <= 8);
  co_await Sleep(1h);
  CHECK(world.authority.calls == 2 * kMany + 1);
  co_await world.End();
}

TEST_CASE("other roots are with every identity within a minute of the first that got them") {
  RunVirtual(Converges());
}

Task<void> OldAnswerLate() {
  StoreWorld world;
  CHECK((co_await world.Get(Numbered(0))).ok());
  co_await Sleep(1h);
  world.authority.delay = 10s;
  Scope scope;
  std::vector<Result<CertRef>> got;
  scope.Spawn(Acquire(world, Numbered(1), got));  // its answer is of the old roots, and late
  co_await Sleep(9s);
  world.authority.delay = 0s;
  world.authority.roots = Both();
  CHECK((co_await world.Get(Numbered(2))).ok());
  world.authority.roots = nullptr;
  co_await Sleep(1ms);
  co_await scope.Join();
  world.authority.roots = Both();
  co_await Sleep(6min);
  CHECK(WithRoots(world, 3, Both()) == 3);
  co_await world.End();
}

TEST_CASE("an answer that was asked for before the rotation does not undo it") {
  RunVirtual(OldAnswerLate());
}

// Two replicas of a CA that do not agree: each answer has other roots than the one before.
class Undecided final : public Authority {
 public:
  explicit Undecided(test::FakeAuthority& under) : under_(under) {}
  Task<Result<CertificateBundle, Failure>> Fetch(Identity identity, StopToken stop) override {
    const bool other = under_.calls % 2 == 1;
    Result<CertificateBundle, Failure> answer = co_await under_.Fetch(std::move(identity), stop);
    if (!answer || !other) co_return answer;
    co_return test::TestCa::WithRoots(*answer, Both());
  }

 private:
  test::FakeAuthority& under_;
};

Task<void> NoStorm() {
  test::FakeAuthority under;
  under.now = [start = Loop::Current().now()] {
    return kNow + std::chrono::floor<std::chrono::seconds>(Loop::Current().now() - start);
  };
  Undecided undecided(under);
  CertStore store(undecided, under.now, StoreOptions{.seed = 1});
  StopSource stop;
  struct Serving {
    static Task<void> Run(CertStore& at, StopToken until) { std::ignore = co_await at.Run(until); }
  };
  Scope scope;
  scope.Spawn(Serving::Run(store, stop.token()));
  constexpr int kMany = 10;
  for (int i = 0; i < kMany; ++i) store.Request(Numbered(i), Urgency::kPrefetch);
  co_await Sleep(10h);
  CHECK(under.calls > kMany);
  CHECK(under.calls < kMany * 20);  // about one an hour each
  stop.RequestStop();
  co_await scope.Join();
}

TEST_CASE("a CA whose replicas disagree about the roots is not asked all the time") {
  RunVirtual(NoStorm());
}

Task<void> RenewsBehind() {
  StoreWorld world(StoreOptions{.max_outstanding = 1, .seed = 1});
  CHECK((co_await world.Get(Numbered(0))).ok());
  CHECK((co_await world.Get(Numbered(1))).ok());
  co_await Sleep(12h - 1s);
  world.authority.delay = 20s;
  world.authority.asked.clear();
  world.cache.Prefetch(kServerId);  // takes the only place
  co_await Sleep(10s);              // both renewals are due and wait
  CHECK(world.authority.asked.size() == 1);
  world.cache.Prefetch(Numbered(2));
  CHECK((co_await world.Get(kClientId)).ok());
  co_await Sleep(5min);
  REQUIRE(world.authority.asked.size() == 5);
  CHECK(world.authority.asked[1] == kClientId);
  CHECK(world.authority.asked[2] == Numbered(2));
  co_await world.End();
}

TEST_CASE("renewals wait for prefetches, and those for connections") { RunVirtual(RenewsBehind()); }

Task<void> ForgetsQueued() {
  StoreWorld world(StoreOptions{.max_outstanding = 1, .max_prefetch_queued = 2, .seed = 1});
  world.cache.Prefetch(Numbered(0));
  co_await Sleep(1ms);  // it is under way
  world.cache.Prefetch(Numbered(1));
  world.cache.Prefetch(Numbered(2));
  world.cache.Forget(Numbered(1));
  world.cache.Prefetch(Numbered(3));  // there is room in the queue again
  co_await Sleep(1s);
  CHECK(world.authority.asked == std::vector<Identity>{Numbered(0), Numbered(2), Numbered(3)});
  co_await world.End();
}

TEST_CASE("an identity that is forgotten while it waits is never asked for") {
  RunVirtual(ForgetsQueued());
}

Task<void> CalendarJumps() {
  StoreWorld world;
  CHECK((co_await world.Get(kClientId)).ok());
  world.set_ahead = 13h;  // behind half-life
  co_await Sleep(1h + 1s);
  CHECK(world.authority.calls == 2);
  CHECK(world.cache.Peek(kClientId) != nullptr);
  world.set_ahead = 0h;  // back again: the newer one's time is still to come
  co_await Sleep(10h);
  CHECK(world.cache.Peek(kClientId) != nullptr);
  CHECK(world.authority.calls == 2);
  world.set_ahead = 48h;
  CHECK(world.cache.Peek(kClientId) == nullptr);
  CHECK((co_await world.Get(kClientId)).ok());
  CHECK(world.authority.calls == 3);
  co_await world.End();
}

TEST_CASE("a calendar that is set is followed, forwards and back") { RunVirtual(CalendarJumps()); }

Task<void> Alarms() {
  int calm = 0;
  int urgent = 0;
  int kept = 0;
  StoreOptions options{.seed = 1};
  options.on_failure = [&](const FetchFailure& failed) {
    CHECK(failed.identity == kClientId);
    CHECK(failed.failure.detail == "refused");
    ++(failed.urgent ? urgent : calm);
    kept += failed.kept;
  };
  StoreWorld world(options);
  world.authority.refuse = true;
  CHECK(!(co_await world.Get(kClientId)).ok());
  CHECK(calm == 1);
  CHECK(world.store.Count().unavailable == 1);
  CHECK(!world.store.Count().soonest_expiry);
  world.authority.refuse = false;
  co_await Sleep(2s);
  const CertRef certificate = world.cache.Peek(kClientId);
  REQUIRE(certificate != nullptr);
  CHECK(world.store.Count().available == 1);
  CHECK(world.store.Count().soonest_expiry == certificate->bundle.leaf().not_after);
  world.authority.refuse = true;
  co_await Sleep(21h);
  CHECK(calm > 100);
  CHECK(urgent == 0);
  CHECK(kept == calm - 1);
  co_await Sleep(2h);
  CHECK(urgent > 20);
  CHECK(kept == calm + urgent - 1);
  const int before = urgent;
  co_await Sleep(2h);
  CHECK(urgent > before);  // expired: as urgent as ever, and nothing is kept
  CHECK(world.store.Count().unavailable == 1);
  CHECK(world.store.Count().soonest_expiry == certificate->bundle.leaf().not_after);
  co_await world.End();
}

TEST_CASE("failures become urgent in the last tenth of a certificate's life") {
  RunVirtual(Alarms());
}

Task<void> CountsStates() {
  StoreWorld world;
  world.authority.delay = 10s;
  world.cache.Prefetch(kClientId);
  CHECK(world.store.Count().initializing == 1);
  co_await Sleep(11s);
  CHECK(world.store.Count().initializing == 0);
  CHECK(world.store.Count().available == 1);
  co_await world.End();
}

TEST_CASE("an identity is initializing until its first answer") { RunVirtual(CountsStates()); }

}  // namespace
}  // namespace aquifer::certs
