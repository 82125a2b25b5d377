// A certificate store with an authority that does as the test says and one cache, on the running
// loop, whose time is the calendar's too.
#pragma once

#include <algorithm>
#include <vector>

#include "certs/cache.h"
#include "certs/store.h"
#include "core/rt/timer.h"
#include "tests/unit/certs/support.h"

namespace aquifer::certs::test {

using namespace std::chrono_literals;

// Signs at once or after a while, or refuses, as the test says.
class FakeAuthority final : public Authority {
 public:
  Task<Result<CertificateBundle, Failure>> Fetch(Identity identity, StopToken stop) override {
    ++calls;
    asked.push_back(identity);
    most_at_a_time = std::max(most_at_a_time, ++at_a_time);
    const Status waited = co_await SleepFor(delay, stop);
    --at_a_time;
    if (!waited) co_return Failure{waited.error(), "stopped"};
    if (refuse) co_return Failure{Error{Reason::kConnectRefused}, "refused"};
    if (expired) co_return SharedCa().Raw(Old(identity));
    const Identity& name = wrong_name ? kServerId : identity;
    RawLeaf leaf;
    leaf.names.uris.push_back(name.ToString());
    leaf.not_before = now();
    leaf.not_after = now() + life;
    const TestCa& ca = SharedCa();
    co_return TestCa::WithRoots(ca.Raw(leaf), roots == nullptr ? ca.roots() : roots);
  }

  std::function<WallTime()> now;
  Clock::duration delay = 10ms;
  std::chrono::seconds life = 24h;
  RootBundleRef roots;  // null: those of the CA that signs
  bool refuse = false;
  bool expired = false;
  bool wrong_name = false;
  int calls = 0;
  int at_a_time = 0;
  int most_at_a_time = 0;
  std::vector<Identity> asked;

 private:
  RawLeaf Old(const Identity& identity) const {
    RawLeaf leaf;
    leaf.names.uris.push_back(identity.ToString());
    leaf.not_before = now() - 2h;
    leaf.not_after = now() - 1h;
    return leaf;
  }
};

struct StoreWorld {
  StoreWorld() : StoreWorld(StoreOptions{.seed = 1}) {}
  explicit StoreWorld(const StoreOptions& options)
      : start(Loop::Current().now()),
        clock([this] {
          return kNow + std::chrono::floor<std::chrono::seconds>(Loop::Current().now() - start) +
                 set_ahead;
        }),
        store(authority, clock, options),
        cache(store, Loop::Current(), clock) {
    authority.now = clock;
    scope.Spawn(Serve());
  }
  Task<void> Serve() {
    const Status ended = co_await store.Run(stop.token());
    CHECK(!ended.ok());
  }
  Task<void> End() {
    stop.RequestStop();
    co_await scope.Join();
  }
  Task<Result<CertRef>> Get(const Identity& identity) { return cache.Get(identity, StopToken()); }

  TimePoint start;
  std::chrono::seconds set_ahead{0};  // somebody has set the calendar
  WallClock clock;
  FakeAuthority authority;
  StopSource stop;
  CertStore store;
  CertCache cache;
  Scope scope;
};

inline Task<void> Sleep(Clock::duration duration) {
  const Status slept = co_await SleepFor(duration, StopToken());
  CHECK(slept.ok());
}

inline Task<void> Acquire(StoreWorld& f, Identity identity, std::vector<Result<CertRef>>& got) {
  got.push_back(co_await f.cache.Get(identity, StopToken()));
}

}  // namespace aquifer::certs::test
