#include "certs/store.h"

#include <thread>

#include "tests/support/run_task.h"
#include "tests/unit/certs/store_world.h"

namespace aquifer::certs {
namespace {

using namespace std::chrono_literals;
using aquifer::test::RunVirtual;
using test::Acquire;
using test::FakeAuthority;
using test::kClientId;
using test::kNow;
using test::Sleep;
using Fixture = test::StoreWorld;

Task<void> FetchesOnce() {
  Fixture f;
  std::vector<Result<CertRef>> got;
  Scope scope;
  for (int i = 0; i < 10; ++i) scope.Spawn(Acquire(f, kClientId, got));
  co_await scope.Join();
  REQUIRE(got.size() == 10);
  for (const auto& each : got) {
    REQUIRE(each.ok());
    CHECK(*each == *got[0]);
  }
  CHECK((*got[0])->bundle.identity() == kClientId);
  CHECK(f.authority.calls == 1);
  const Result<CertRef> again = co_await f.Get(kClientId);
  CHECK(again.ok());
  CHECK(f.authority.calls == 1);
  co_await f.End();
}

TEST_CASE("however many ask, one certificate is fetched") { RunVirtual(FetchesOnce()); }

Task<void> RenewsAtHalfLife() {
  Fixture f;
  const Result<CertRef> first = co_await f.Get(kClientId);
  REQUIRE(first.ok());
  co_await Sleep(11h + 59min);
  CHECK(f.authority.calls == 1);
  co_await Sleep(2min);
  CHECK(f.authority.calls == 2);
  const CertRef second = f.cache.Peek(kClientId);
  REQUIRE(second != nullptr);
  CHECK(second != *first);
  co_await f.End();
}

TEST_CASE("a certificate is renewed at half of its life") { RunVirtual(RenewsAtHalfLife()); }

Task<void> KeepsLastGood() {
  Fixture f;
  const Result<CertRef> first = co_await f.Get(kClientId);
  REQUIRE(first.ok());
  f.authority.refuse = true;
  co_await Sleep(20h);
  CHECK(f.authority.calls > 100);  // it kept trying
  const Result<CertRef> kept = co_await f.Get(kClientId);
  REQUIRE(kept.ok());
  CHECK(*kept == *first);
  CHECK(f.store.Dump()[0].state == CertStatus::State::kAvailable);
  CHECK(f.store.Dump()[0].failure == "refused");
  co_await Sleep(5h);
  const Result<CertRef> gone = co_await f.Get(kClientId);
  CHECK(gone.error().reason == Reason::kIdentityUnavailable);
  CHECK(f.store.Dump()[0].state == CertStatus::State::kUnavailable);
  f.authority.refuse = false;
  co_await Sleep(181s);
  const Result<CertRef> back = co_await f.Get(kClientId);
  CHECK(back.ok());
  co_await f.End();
}

TEST_CASE("the last good certificate serves until it expires") { RunVirtual(KeepsLastGood()); }

Task<void> FailsAtOnce() {
  Fixture f;
  f.authority.refuse = true;
  const Result<CertRef> first = co_await f.Get(kClientId);
  CHECK(first.error().reason == Reason::kIdentityUnavailable);
  const TimePoint before = Loop::Current().now();
  const Result<CertRef> second = co_await f.Get(kClientId);
  CHECK(second.error().reason == Reason::kIdentityUnavailable);
  CHECK(Loop::Current().now() == before);
  CHECK(f.authority.calls == 1);
  co_await f.End();
}

TEST_CASE("while it backs off, nobody is made to wait") { RunVirtual(FailsAtOnce()); }

Task<void> BacksOff() {
  Fixture f;
  f.authority.refuse = true;
  f.authority.delay = Clock::duration(0);
  const Result<CertRef> first = co_await f.Get(kClientId);
  CHECK(!first.ok());
  double expected_seconds = 1;
  for (int attempt = 1; attempt < 12; ++attempt) {
    const TimePoint before = Loop::Current().now();
    while (f.authority.calls == attempt) co_await Sleep(10ms);
    const double waited = std::chrono::duration<double>(Loop::Current().now() - before).count();
    CAPTURE(attempt);
    CHECK(waited > expected_seconds * 0.79);
    CHECK(waited < expected_seconds * 1.21 + 0.05);
    expected_seconds = std::min(expected_seconds * 2, 150.0);
  }
  co_await f.End();
}

TEST_CASE("retries back off from one second to 150, give or take a fifth") {
  RunVirtual(BacksOff());
}

Task<void> ResetsBackoff() {
  Fixture f;
  f.authority.refuse = true;
  std::ignore = co_await f.Get(kClientId);
  co_await Sleep(100s);
  f.authority.refuse = false;
  co_await Sleep(200s);
  REQUIRE(f.cache.Peek(kClientId) != nullptr);
  f.authority.refuse = true;
  const int calls = f.authority.calls;
  while (f.authority.calls == calls) co_await Sleep(1s);
  co_await Sleep(1300ms);
  CHECK(f.authority.calls == calls + 2);
  co_await f.End();
}

TEST_CASE("after a success the back-off starts anew") { RunVirtual(ResetsBackoff()); }

Task<void> BoundsOutstanding() {
  Fixture f;
  std::vector<Result<CertRef>> got;
  Scope scope;
  for (int i = 0; i < 50; ++i) {
    const Identity identity{"cluster.local", "shop", "sa" + std::to_string(i)};
    scope.Spawn(Acquire(f, identity, got));
  }
  co_await scope.Join();
  CHECK(f.authority.calls == 50);
  CHECK(f.authority.most_at_a_time == 8);
  for (const auto& each : got) CHECK(each.ok());
  co_await f.End();
}

TEST_CASE("at most eight requests are outstanding") { RunVirtual(BoundsOutstanding()); }

Task<void> ConnectionsOvertake() {
  Fixture f(StoreOptions{.max_outstanding = 1, .seed = 1});
  for (int i = 0; i < 5; ++i) f.cache.Prefetch({"cluster.local", "shop", "sa" + std::to_string(i)});
  co_await Sleep(1ms);  // the first is under way
  const Result<CertRef> urgent = co_await f.Get(kClientId);
  CHECK(urgent.ok());
  REQUIRE(f.authority.asked.size() >= 2);
  CHECK(f.authority.asked[1] == kClientId);  // the first was already under way
  co_await f.End();
}

TEST_CASE("a connection overtakes prefetches") { RunVirtual(ConnectionsOvertake()); }

Task<void> PromotesQueued() {
  Fixture f(StoreOptions{.max_outstanding = 1, .seed = 1});
  for (int i = 0; i < 5; ++i) f.cache.Prefetch({"cluster.local", "shop", "sa" + std::to_string(i)});
  co_await Sleep(1ms);  // the first is under way
  const Identity last{"cluster.local", "shop", "sa4"};
  const Result<CertRef> urgent = co_await f.Get(last);
  CHECK(urgent.ok());
  CHECK(f.authority.asked[1] == last);
  co_await f.End();
}

TEST_CASE("a prefetch that a connection waits for moves up") { RunVirtual(PromotesQueued()); }

Task<void> BoundsPrefetch() {
  Fixture f(StoreOptions{.max_outstanding = 1, .max_prefetch_queued = 3, .seed = 1});
  for (int i = 0; i < 20; ++i)
    f.cache.Prefetch({"cluster.local", "shop", "sa" + std::to_string(i)});
  co_await Sleep(10s);
  CHECK(f.authority.calls <= 4);
  co_await f.End();
}

TEST_CASE("prefetches beyond the bound are dropped") { RunVirtual(BoundsPrefetch()); }

Task<void> ForgetsInFlight() {
  Fixture f;
  f.authority.delay = 1h;
  std::vector<Result<CertRef>> got;
  Scope scope;
  scope.Spawn(Acquire(f, kClientId, got));
  co_await Sleep(1s);
  f.cache.Forget(kClientId);
  co_await scope.Join();
  REQUIRE(got.size() == 1);
  CHECK(got[0].error().reason == Reason::kIdentityUnavailable);
  CHECK(f.store.Dump().empty());
  co_await Sleep(1s);
  CHECK(f.authority.at_a_time == 0);
  co_await f.End();
}

TEST_CASE("forgetting an identity stops its request and tells who waits") {
  RunVirtual(ForgetsInFlight());
}

Task<void> ForgetsForGood() {
  Fixture f;
  std::ignore = co_await f.Get(kClientId);
  f.cache.Forget(kClientId);
  CHECK(f.cache.Peek(kClientId) == nullptr);
  co_await Sleep(48h);
  CHECK(f.authority.calls == 1);
  const Result<CertRef> again = co_await f.Get(kClientId);
  CHECK(again.ok());
  CHECK(f.authority.calls == 2);
  co_await f.End();
}

TEST_CASE("a forgotten identity is not renewed, and fetched anew when asked for") {
  RunVirtual(ForgetsForGood());
}

Task<void> RefusesBadAnswers(bool expired) {
  Fixture f;
  f.authority.expired = expired;
  f.authority.wrong_name = !expired;
  const Result<CertRef> got = co_await f.Get(kClientId);
  CHECK(got.error().reason == Reason::kIdentityUnavailable);
  CHECK(!f.store.Dump()[0].failure.empty());
  co_await f.End();
}

TEST_CASE("an answer for somebody else is refused") { RunVirtual(RefusesBadAnswers(false)); }
TEST_CASE("an expired answer is refused") { RunVirtual(RefusesBadAnswers(true)); }

Task<void> SurvivesShortLives() {
  Fixture f;
  f.authority.life = 2s;
  std::ignore = co_await f.Get(kClientId);
  co_await Sleep(60s);
  CHECK(f.authority.calls >= 20);
  CHECK(f.authority.calls <= 61);
  co_await f.End();
}

TEST_CASE("certificates of seconds are renewed, but not in a busy loop") {
  RunVirtual(SurvivesShortLives());
}

Task<void> LastsForMillennia() {
  Fixture f;
  f.authority.life = std::chrono::years(7000);
  std::ignore = co_await f.Get(kClientId);
  co_await Sleep(10000h);
  CHECK(f.authority.calls == 1);
  co_await f.End();
}

TEST_CASE("a certificate that claims millennia does not overflow the clock") {
  RunVirtual(LastsForMillennia());
}

Task<void> TimesOut() {
  Fixture f;
  f.authority.delay = 1000h;
  const TimePoint before = Loop::Current().now();
  const Result<CertRef> got = co_await f.Get(kClientId);
  CHECK(!got.ok());
  CHECK(Loop::Current().now() - before < 31s);
  co_await f.End();
}

TEST_CASE("a CA that does not answer is given up") { RunVirtual(TimesOut()); }

Task<void> StopsCleanly() {
  Fixture f;
  f.authority.delay = 1000h;
  std::vector<Result<CertRef>> got;
  Scope scope;
  for (int i = 0; i < 20; ++i) {
    const Identity identity{"cluster.local", "shop", "sa" + std::to_string(i)};
    scope.Spawn(Acquire(f, identity, got));
  }
  co_await Sleep(1s);
  co_await f.End();
  co_await scope.Join();
  for (const auto& each : got) CHECK(!each.ok());
  const Result<CertRef> late = co_await f.Get(kClientId);
  CHECK(late.error().reason == Reason::kStopped);
}

TEST_CASE("a stop ends what is outstanding and answers who waits") { RunVirtual(StopsCleanly()); }

Task<void> WaiterStops() {
  Fixture f;
  f.authority.delay = 20s;
  TimedStop timed(StopToken(), 5s, Reason::kTimeout);
  const Result<CertRef> got = co_await f.cache.Get(kClientId, timed.token());
  CHECK(got.error().reason == Reason::kTimeout);
  co_await Sleep(20s);
  CHECK(f.cache.Peek(kClientId) != nullptr);  // the fetch went on for others
  co_await f.End();
}

TEST_CASE("one who stops waiting does not stop the fetch") { RunVirtual(WaiterStops()); }

// Two loops on two threads, real time: the control loop serves, a worker asks.
Task<void> AskFromWorker(CertStore& store, Loop& control, WallClock clock, StopSource& stop,
                         int& good) {
  CertCache cache(store, control, clock);
  for (int i = 0; i < 20; ++i) {
    const Identity identity{"cluster.local", "shop", "sa" + std::to_string(i % 7)};
    const Result<CertRef> got = co_await cache.Get(identity, StopToken());
    if (got.ok() && (*got)->bundle.identity() == identity) ++good;
  }
  control.Post([&stop] { stop.RequestStop(); });
}

Task<void> ServeOnly(CertStore& store, StopSource& stop) {
  std::ignore = co_await store.Run(stop.token());
}

TEST_CASE("a worker on another thread gets certificates, and may end before the store") {
  const auto control = aquifer::test::NewLoop();
  FakeAuthority authority;
  authority.now = [] { return kNow; };
  authority.delay = 1ms;
  CertStore store(authority, authority.now);
  StopSource stop;
  int good = 0;
  std::thread other([&] {
    const std::unique_ptr<Loop> worker = *Loop::Create({.queue_entries = 64});
    worker->Run(AskFromWorker(store, *control, [] { return kNow; }, stop, good));
  });
  control->Run(ServeOnly(store, stop));
  other.join();
  CHECK(good == 20);
  CHECK(authority.calls == 7);
}

}  // namespace
}  // namespace aquifer::certs
