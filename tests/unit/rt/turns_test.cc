#include "core/rt/turns.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/run_task.h"

namespace aquifer {
namespace {

// Writes its name down when it is its turn.
Task<void> Work(Turns& turns, Turns::Lane& lane, unsigned cost, std::string& done, char name,
                StopToken stop = StopToken()) {
  const Status turn = co_await turns.Enter(lane, cost, stop);
  done += turn.ok() ? name : '-';
}

// Spawned tasks start in order, in one turn of the loop.
Task<void> AllAtOnce() {
  Turns turns(4);
  Turns::Lane lane;
  std::string done;
  Scope scope;
  for (const char name : std::string("abcdef")) scope.Spawn(Work(turns, lane, 2, done, name));
  // The next turn of the loop.
  std::ignore = co_await SleepFor(std::chrono::nanoseconds(0), StopToken());
  co_await scope.Join();
  CHECK(done == "abfedc");
}

TEST_CASE("so much is done in a turn, and of the rest the newest goes first") {
  test::Run(AllAtOnce());
}

Task<void> LanesInTurn() {
  Turns turns(1);
  Turns::Lane loud;
  Turns::Lane quiet;
  std::string done;
  Scope scope;
  for (int i = 0; i < 100; ++i) scope.Spawn(Work(turns, loud, 1, done, 'l'));
  scope.Spawn(Work(turns, quiet, 1, done, 'q'));
  scope.Spawn(Work(turns, quiet, 1, done, 'q'));
  co_await scope.Join();
  CHECK(done.size() == 102);
  CHECK(done.find('q') <= 2);
  CHECK(done.rfind('q') <= 4);
}

TEST_CASE("a lane with two who wait is served beside one with a hundred") {
  test::Run(LanesInTurn());
}

Task<void> OneALoopTurn() {
  Turns turns(1);
  Turns::Lane lane;
  std::string done;
  Scope scope;
  for (int i = 0; i < 5; ++i) scope.Spawn(Work(turns, lane, 1, done, 'x'));
  // A neighbour whose turns of the loop are seen between those of the work.
  std::size_t seen = 0;
  std::vector<std::size_t> at;
  while (done.size() < 5) {
    std::ignore = co_await SleepFor(std::chrono::nanoseconds(1), StopToken());
    if (done.size() > seen) at.push_back(done.size() - seen);
    seen = done.size();
  }
  co_await scope.Join();
  for (const std::size_t more : at) CHECK(more <= 2);
  CHECK(at.size() >= 3);
}

TEST_CASE("others come between") { test::Run(OneALoopTurn()); }

Task<void> Stops() {
  Turns turns(1);
  Turns::Lane lane;
  StopSource stop;
  std::string done;
  Scope scope;
  scope.Spawn(Work(turns, lane, 1, done, 'a'));
  for (int i = 0; i < 3; ++i) scope.Spawn(Work(turns, lane, 1, done, 'b', stop.token()));
  struct Stopper {
    static Task<void> Run(StopSource& stop) {
      stop.RequestStop(Reason::kOverload);
      co_return;
    }
  };
  scope.Spawn(Stopper::Run(stop));
  scope.Spawn(Work(turns, lane, 1, done, 'c'));
  co_await scope.Join();
  CHECK(done.size() == 5);
  CHECK(done.starts_with("a"));
  CHECK(std::count(done.begin(), done.end(), '-') == 3);
  CHECK(lane.waiting() == 0);
  done.clear();
  co_await Work(turns, lane, 1, done, 'd', stop.token());
  CHECK(done == "-");
}

TEST_CASE("who is stopped leaves the line") { test::Run(Stops()); }

}  // namespace
}  // namespace aquifer
