#include <sys/eventfd.h>

#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "core/rt/await.h"
#include "core/rt/event.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/run_task.h"
#include "tests/support/turn.h"

namespace aquifer {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

Task<int> Add(int a, int b) { co_return a + b; }

Task<void> WaitFor(Event& event, StopToken stop, std::vector<std::string>& log, std::string name) {
  const Status status = co_await event.Wait(stop);
  log.push_back(name + (status.ok()
                            ? " woken"
                            : std::string(" ") + std::string(ReasonWord(status.error().reason))));
}

Task<void> SleepAndLog(milliseconds duration, std::vector<int>& log) {
  const Status slept = co_await SleepFor(duration, StopToken());
  CHECK(slept.ok());
  log.push_back(static_cast<int>(duration.count()));
}

// A read of an eventfd, which waits as long as the count is 0.
struct EventRead {
  explicit EventRead(unsigned count) : fd(::eventfd(count, EFD_CLOEXEC)) {
    op.kind = OpKind::kRead;
    op.fd = fd.get();
    op.data = &value;
    op.size = sizeof value;
  }

  UniqueFd fd;
  std::uint64_t value = 0;
  Op op;
};

Task<void> TurnUntil(const bool& over) {
  while (!over) co_await test::Turn();
}

}  // namespace

TEST_CASE("a task gives its result to who awaits it") {
  const auto body = []() -> Task<void> {
    const int sum = co_await Add(2, 3);
    CHECK(sum == 5);
  };
  test::Run(body());
}

TEST_CASE("a scope waits for every task and a stop ends those that wait") {
  const auto body = []() -> Task<void> {
    std::vector<std::string> log;
    Event event;
    StopSource stop;
    Scope scope;
    scope.Spawn(WaitFor(event, stop.token(), log, "a"));
    scope.Spawn(WaitFor(event, StopToken(), log, "b"));
    std::ignore = co_await SleepFor(milliseconds(1), StopToken());
    stop.RequestStop(Reason::kDrained);
    stop.RequestStop(Reason::kOverload);
    std::ignore = co_await SleepFor(milliseconds(1), StopToken());
    event.Set();
    co_await scope.Join();
    CHECK(log == std::vector<std::string>{"a drained", "b woken"});
  };
  test::RunVirtual(body());
}

TEST_CASE("a stop goes from a parent source to its children and not back") {
  StopSource parent;
  StopSource left(parent.token());
  StopSource right(parent.token());
  left.RequestStop(Reason::kTimeout);
  CHECK_FALSE(parent.requested());
  parent.RequestStop(Reason::kDrained);
  CHECK(left.reason() == Reason::kTimeout);
  CHECK(right.reason() == Reason::kDrained);
  StopSource late(parent.token());
  CHECK(late.requested());
}

TEST_CASE("timers fire in the order of their deadlines") {
  const auto body = []() -> Task<void> {
    std::vector<int> log;
    Scope scope;
    for (const int ms : {50, 10, 40, 20, 30, 5, 45})
      scope.Spawn(SleepAndLog(milliseconds(ms), log));
    co_await scope.Join();
    CHECK(log == std::vector<int>{5, 10, 20, 30, 40, 45, 50});
  };
  test::RunVirtual(body());
}

TEST_CASE("virtual time passes hours in no time") {
  const auto body = []() -> Task<void> {
    const TimePoint start = Loop::Current().now();
    std::ignore = co_await SleepFor(hours(24), StopToken());
    CHECK(Loop::Current().now() - start >= hours(24));
  };
  test::RunVirtual(body());
}

TEST_CASE("a stop cancels a kernel operation and its completion is awaited") {
  const auto body = []() -> Task<void> {
    EventRead read(0);
    TimedStop timed(StopToken(), milliseconds(2), Reason::kConnectTimeout);
    const int result = co_await OpAwaiter(read.op, timed.token());
    CHECK(result == -ECANCELED);
    CHECK(ErrorFromResult(result, timed.token()).reason == Reason::kConnectTimeout);
    CHECK_FALSE(read.op.in_flight);
  };
  test::Run(body());
}

TEST_CASE("an operation under a stop that was already asked for never starts") {
  const auto body = []() -> Task<void> {
    StopSource stop;
    stop.RequestStop();
    Op op;
    const int result = co_await OpAwaiter(op, stop.token());
    CHECK(result == -ECANCELED);
  };
  test::Run(body());
}

TEST_CASE("tasks that are always ready keep neither kernel nor timers from the others") {
  const auto body = []() -> Task<void> {
    bool over = false;
    Scope busy;
    for (int i = 0; i < 3; ++i) busy.Spawn(TurnUntil(over));
    const Status slept = co_await SleepFor(milliseconds(2), StopToken());
    CHECK(slept.ok());
    EventRead read(1);
    CHECK(co_await OpAwaiter(read.op, StopToken()) == sizeof read.value);
    over = true;
    co_await busy.Join();
  };
  test::Run(body());
}

TEST_CASE("work posted from another thread runs on the loop") {
  const auto body = []() -> Task<void> {
    Loop& loop = Loop::Current();
    Event event;
    int seen = 0;
    std::thread other([&loop, &event, &seen] {
      for (int i = 0; i < 100; ++i) {
        loop.Post([&event, &seen] {
          if (++seen == 100) event.Set();
        });
      }
    });
    std::ignore = co_await event.Wait(StopToken());
    other.join();
    CHECK(seen == 100);
  };
  test::Run(body());
}

}  // namespace aquifer
