#include "core/rt/grace.h"

#include <utility>

#include "core/rt/scope.h"
#include "core/rt/timer.h"

namespace aquifer {
namespace {

Task<void> HurryAfter(Clock::duration grace, std::function<void()> hurry, StopToken over) {
  const Status slept = co_await SleepFor(grace, over);
  if (slept.ok()) hurry();
}

}  // namespace

Task<void> WithGrace(Task<void> work, Clock::duration grace, std::function<void()> hurry) {
  StopSource over;
  Scope watching;
  watching.Spawn(HurryAfter(grace, std::move(hurry), over.token()));
  co_await std::move(work);
  over.RequestStop();
  co_await watching.Join();
}

}  // namespace aquifer
