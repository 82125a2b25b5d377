#include "control/review_places.h"

#include <algorithm>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/catch.h"
#include "tests/support/run_task.h"

namespace aquifer::control {
namespace {

using Outcome = ReviewPlaces::Outcome;
using Standing = ReviewPlaces::Standing;

ReviewPlaces::Seeker Of(int token, Standing standing, int peer) {
  return {"t" + std::to_string(token),
          Ip::V4(10, 0, static_cast<std::uint8_t>(peer >> 8), static_cast<std::uint8_t>(peer)),
          standing};
}

// How many of `count` with tokens and addresses of their own get a place at once.
Task<int> Fill(ReviewPlaces& places, Standing standing, int count) {
  int taken = 0;
  for (int i = 0; i < count; ++i) {
    const int number = 10'000 * (1 + static_cast<int>(standing)) + i;
    ReviewPlaces::Seeker seeker = Of(number, standing, i);
    TimedStop moment(StopToken(), std::chrono::milliseconds(1), Reason::kTimeout);
    const Outcome outcome = co_await places.Take(std::move(seeker), moment.token());
    if (outcome == Outcome::kTaken) ++taken;
  }
  co_return taken;
}

Task<void> Note(ReviewPlaces& places, ReviewPlaces::Seeker seeker, std::vector<Outcome>& outcomes) {
  const Outcome outcome = co_await places.Take(std::move(seeker), StopToken());
  outcomes.push_back(outcome);
}

Task<void> KeepsApart() {
  ReviewPlaces places;
  CHECK(co_await Fill(places, Standing::kStranger, 100) == 16);
  CHECK(co_await Fill(places, Standing::kAtHome, 100) == 24);
  CHECK(co_await Fill(places, Standing::kKnown, 100) == 48);
}

Task<void> BoundsAnAddress() {
  ReviewPlaces places;
  for (int i = 0; i < 6; ++i) {
    ReviewPlaces::Seeker seeker = Of(i, Standing::kStranger, 1);
    const Outcome outcome = co_await places.Take(std::move(seeker), StopToken());
    CHECK(outcome == (i < 4 ? Outcome::kTaken : Outcome::kNone));
  }
  places.Leave(Of(0, Standing::kStranger, 1));
  ReviewPlaces::Seeker again = Of(7, Standing::kStranger, 1);
  CHECK(co_await places.Take(std::move(again), StopToken()) == Outcome::kTaken);
}

Task<void> WaitsInLine() {
  ReviewPlaces places;
  CHECK(co_await Fill(places, Standing::kAtHome, 24) == 24);
  std::vector<Outcome> outcomes;
  Scope scope;
  scope.Spawn(Note(places, Of(1, Standing::kAtHome, 1000), outcomes));
  scope.Spawn(Note(places, Of(2, Standing::kAtHome, 1001), outcomes));
  std::ignore = co_await SleepFor(std::chrono::seconds(1), StopToken());
  CHECK(outcomes.empty());
  places.Leave(Of(20'000, Standing::kAtHome, 0));
  std::ignore = co_await SleepFor(std::chrono::seconds(1), StopToken());
  CHECK(outcomes == std::vector{Outcome::kTaken});
  places.Leave(Of(1, Standing::kAtHome, 1000));
  co_await scope.Join();
  CHECK(outcomes == std::vector{Outcome::kTaken, Outcome::kTaken});
}

Task<void> AsksOnceAtATime() {
  ReviewPlaces places;
  std::vector<Outcome> outcomes;
  Scope scope;
  for (int i = 0; i < 3; ++i) scope.Spawn(Note(places, Of(1, Standing::kKnown, i), outcomes));
  std::ignore = co_await SleepFor(std::chrono::seconds(1), StopToken());
  CHECK(outcomes == std::vector{Outcome::kTaken});
  places.Leave(Of(1, Standing::kKnown, 0));
  co_await scope.Join();
  CHECK(outcomes == std::vector{Outcome::kTaken, Outcome::kAnswered, Outcome::kAnswered});
}

// A proxy that comes for the certificates of all its pods.
Task<void> LetsOneProxyAskForMuch() {
  ReviewPlaces places;
  std::vector<Outcome> outcomes;
  Scope scope;
  for (int i = 0; i < 10; ++i) scope.Spawn(Note(places, Of(1, Standing::kAtHome, 1), outcomes));
  std::ignore = co_await SleepFor(std::chrono::seconds(1), StopToken());
  CHECK(outcomes == std::vector{Outcome::kTaken});
  // Nor do they take what its neighbour needs.
  ReviewPlaces::Seeker neighbour = Of(2, Standing::kAtHome, 1);
  CHECK(co_await places.Take(std::move(neighbour), StopToken()) == Outcome::kTaken);
  places.Leave(Of(1, Standing::kAtHome, 1));
  co_await scope.Join();
  CHECK(outcomes.size() == 10);
  CHECK(std::count(outcomes.begin(), outcomes.end(), Outcome::kAnswered) == 9);
}

}  // namespace

TEST_CASE("strangers, pods at home and known callers have places of their own") {
  test::RunVirtual(KeepsApart());
}
TEST_CASE("one address has a bound on tokens under review") { test::RunVirtual(BoundsAnAddress()); }
TEST_CASE("a proxy that calls ten times at once with its token is not too many") {
  test::RunVirtual(LetsOneProxyAskForMuch());
}
TEST_CASE("who is at home waits for a place") { test::RunVirtual(WaitsInLine()); }
TEST_CASE("who shows a token that is asked about already waits for the answer") {
  test::RunVirtual(AsksOnceAtATime());
}

}  // namespace aquifer::control
