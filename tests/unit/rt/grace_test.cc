#include "core/rt/grace.h"

#include <string>
#include <vector>

#include "core/rt/timer.h"
#include "tests/support/run_task.h"

namespace aquifer {
namespace {

using std::chrono::seconds;

struct Ending {
  Task<void> Work(Clock::duration time) {
    const Status slept = co_await SleepFor(time, stop.token());
    log.emplace_back(slept.ok() ? "ended" : "cut");
  }
  Task<void> Run(Clock::duration time) {
    co_await WithGrace(Work(time), seconds(10), [this] {
      log.emplace_back("hurry");
      stop.RequestStop();
    });
  }

  StopSource stop;
  std::vector<std::string> log;
};

}  // namespace

TEST_CASE("what ends within its grace is not hurried") {
  Ending ending;
  test::RunVirtual(ending.Run(seconds(9)));
  CHECK(ending.log == std::vector<std::string>{"ended"});
}

TEST_CASE("what takes longer than its grace is told so once and awaited") {
  Ending ending;
  test::RunVirtual(ending.Run(seconds(11)));
  CHECK(ending.log == std::vector<std::string>{"hurry", "cut"});
}

}  // namespace aquifer
