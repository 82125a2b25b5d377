// Silence and CopyBothWays, on virtual time and in memory.
#include "core/io/copy.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/run_task.h"
#include "tests/unit/certs/pipe.h"

namespace aquifer::io {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

struct Joined {
  explicit Joined(CopyLimits the_limits) : limits(the_limits) {
    std::tie(client, a) = certs::test::MakePipe();
    std::tie(b, server) = certs::test::MakePipe();
    copying.Spawn(Copy());
  }
  Task<void> Copy() {
    began = Loop::Current().now();
    result = co_await CopyBothWays(*a, *b, totals, stop.token(), limits);
    took = Loop::Current().now() - began;
    ended = true;
  }
  // `from` says one byte, and `to` hears it.
  static Task<void> Say(Stream& from, Stream& to) {
    const Status said = co_await from.Write(Chunk::CopyOf("x"), StopToken());
    CHECK(said.ok());
    const Result<Chunk> heard = co_await to.Read(StopToken());
    CHECK(heard.ok());
  }
  Task<void> End() {
    stop.RequestStop();
    co_await copying.Join();
  }

  const CopyLimits limits;
  StreamPtr client, a, b, server;
  CopyTotals totals;
  Status result;
  TimePoint began;
  Clock::duration took{};
  bool ended = false;
  StopSource stop;
  Scope copying;
};

Task<void> Rest(Clock::duration time) { std::ignore = co_await SleepFor(time, StopToken()); }

Task<void> EndsIdle() {
  Joined joined({.idle = hours(1)});
  co_await joined.copying.Join();
  CHECK(joined.took == hours(1));
  CHECK(joined.result.error().reason == Reason::kTimeout);
  CHECK(joined.totals.silent);
  joined.a.reset();
  const Result<Chunk> end = co_await joined.client->Read(StopToken());
  CHECK_FALSE(end.ok());  // a reset, not a FIN
}

TEST_CASE("a copy that carries nothing for the idle limit ends as a reset") {
  test::RunVirtual(EndsIdle());
}

Task<void> StaysWhileItCarries() {
  Joined joined({.idle = hours(1)});
  for (int i = 0; i < 6; ++i) {
    co_await Rest(minutes(50));
    co_await (i % 2 == 0 ? Joined::Say(*joined.client, *joined.server)
                         : Joined::Say(*joined.server, *joined.client));
    CHECK_FALSE(joined.ended);
  }
  const TimePoint last = Loop::Current().now();
  co_await joined.copying.Join();
  const Clock::duration silent = Loop::Current().now() - last;
  CHECK(silent >= hours(1));
  CHECK(silent <= minutes(60) + std::chrono::seconds(450));
}

TEST_CASE("a byte in either direction keeps a copy, and the limit counts from it") {
  test::RunVirtual(StaysWhileItCarries());
}

Task<void> EndsHalfClosed(CopyLimits limits, Clock::duration expected) {
  Joined joined(limits);
  co_await Rest(minutes(10));
  CHECK((co_await joined.client->ShutdownWrite(StopToken())).ok());
  const TimePoint shut = Loop::Current().now();
  co_await joined.copying.Join();
  CHECK(Loop::Current().now() - shut == expected);
  CHECK(joined.totals.silent);
}

TEST_CASE("a half-closed copy that carries nothing ends at its own limit, or the idle one") {
  test::RunVirtual(EndsHalfClosed({.half_closed = hours(1)}, hours(1)));
  test::RunVirtual(EndsHalfClosed({.idle = hours(3), .half_closed = hours(1)}, hours(1)));
  test::RunVirtual(EndsHalfClosed({.idle = hours(1), .half_closed = hours(3)}, hours(1)));
}

Task<void> HalfClosedCarries() {
  Joined joined({.half_closed = hours(1)});
  co_await Rest(hours(100));  // open: no limit
  CHECK_FALSE(joined.ended);
  CHECK((co_await joined.client->ShutdownWrite(StopToken())).ok());
  const Result<Chunk> fin = co_await joined.server->Read(StopToken());
  CHECK(fin.ok());
  for (int i = 0; i < 5; ++i) {
    co_await Rest(minutes(50));
    co_await Joined::Say(*joined.server, *joined.client);
  }
  CHECK((co_await joined.server->ShutdownWrite(StopToken())).ok());
  co_await joined.copying.Join();
  CHECK(joined.result.ok());
  CHECK_FALSE(joined.totals.silent);
}

TEST_CASE("a half-closed copy that carries now and then goes on to its own end") {
  test::RunVirtual(HalfClosedCarries());
}

Task<void> Unlimited() {
  Joined joined({});
  CHECK((co_await joined.client->ShutdownWrite(StopToken())).ok());
  co_await Rest(hours(1000));
  CHECK_FALSE(joined.ended);
  co_await joined.End();
  CHECK(joined.result.error().reason == Reason::kStopped);
  CHECK_FALSE(joined.totals.silent);
}

TEST_CASE("without limits a copy waits for ever") { test::RunVirtual(Unlimited()); }

}  // namespace
}  // namespace aquifer::io
