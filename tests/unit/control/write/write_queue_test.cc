#include "control/write/write_queue.h"

#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Outcome = WriteQueue::Outcome;

const TimePoint kStart = TimePoint(std::chrono::hours(1));
const ObjectKey kA{Kind::kGateway, "edge", "a"};
const ObjectKey kB{Kind::kGateway, "edge", "b"};
const ObjectKey kPod{Kind::kPod, "edge", "p"};

ObjectStatus Generation(std::int64_t generation) {
  ObjectStatus status;
  status.generation = generation;
  return status;
}

WriteQueue NewQueue() { return WriteQueue({}, 1); }

std::int64_t NextGeneration(WriteQueue& queue, TimePoint now) {
  const auto job = queue.Next(now);
  return job && job->status ? job->status->generation : -1;
}

}  // namespace

TEST_CASE("what is wanted is due at once, each object once, and of our kinds only") {
  WriteQueue queue = NewQueue();
  queue.Follow({{kA, Generation(1)}, {kB, Generation(2)}, {kPod, Generation(3)}}, {}, kStart);
  CHECK(queue.size() == 2);
  CHECK(NextGeneration(queue, kStart) == 1);
  CHECK(NextGeneration(queue, kStart) == 2);
  CHECK_FALSE(queue.Next(kStart).has_value());
  CHECK(queue.in_flight() == 2);
}

TEST_CASE(
    "what holds is not written again when nothing has changed, but looked at from time to time") {
  WriteQueue queue = NewQueue();
  queue.Follow({{kA, Generation(1)}}, {}, kStart);
  REQUIRE(queue.Next(kStart).has_value());
  queue.Done(kA, Outcome::kHolds, kStart);
  queue.Follow({{kA, Generation(1)}}, {}, kStart);
  CHECK_FALSE(queue.Next(kStart + minutes(4)).has_value());
  CHECK(queue.Next(kStart + minutes(10)).has_value());
}

TEST_CASE("what changes during a write is written after it, in its newest form") {
  WriteQueue queue = NewQueue();
  queue.Follow({{kA, Generation(1)}}, {}, kStart);
  REQUIRE(queue.Next(kStart).has_value());
  queue.Follow({{kA, Generation(2)}}, {}, kStart);
  queue.Follow({{kA, Generation(3)}}, {}, kStart);
  CHECK_FALSE(queue.Next(kStart).has_value());
  queue.Done(kA, Outcome::kRefused, kStart);
  CHECK(NextGeneration(queue, kStart) == 3);
}

TEST_CASE("what fails comes again, later each time, until it is new") {
  WriteQueue queue = NewQueue();
  queue.Follow({{kA, Generation(1)}}, {}, kStart);
  TimePoint now = kStart;
  Clock::duration before{};
  for (int i = 0; i < 12; ++i) {
    REQUIRE(queue.Next(now).has_value());
    queue.Done(kA, Outcome::kFailed, now);
    const Clock::duration pause = *queue.next_due() - now;
    CHECK(pause <= seconds(60));
    if (i == 0) CHECK(pause <= std::chrono::milliseconds(200));
    if (i == 11) CHECK(pause >= seconds(30));
    if (i > 0 && i < 8) CHECK(pause >= before);
    before = pause;
    now = *queue.next_due();
  }
  queue.Follow({{kA, Generation(2)}}, {}, now);
  CHECK(queue.Next(now).has_value());
}

TEST_CASE("what is gone rests until there is another one") {
  WriteQueue queue = NewQueue();
  queue.Follow({{kA, Generation(1)}}, {}, kStart);
  REQUIRE(queue.Next(kStart).has_value());
  queue.Done(kA, Outcome::kGone, kStart);
  CHECK_FALSE(queue.next_due().has_value());
  ObjectStatus another = Generation(1);
  another.uid = "new";
  queue.Follow({{kA, another}}, {}, kStart);
  CHECK(queue.Next(kStart).has_value());
}

TEST_CASE("what is no longer wanted is forgotten, be it in flight") {
  WriteQueue queue = NewQueue();
  queue.Follow({{kA, Generation(1)}, {kB, Generation(1)}}, {}, kStart);
  REQUIRE(queue.Next(kStart).has_value());
  queue.Follow({}, {}, kStart);
  CHECK(queue.size() == 1);
  queue.Done(kA, Outcome::kFailed, kStart);
  CHECK(queue.size() == 0);
  CHECK_FALSE(queue.next_due().has_value());
}

TEST_CASE("what goes and comes back during a write is written once more") {
  WriteQueue queue = NewQueue();
  queue.Follow({{kA, Generation(1)}}, {}, kStart);
  REQUIRE(queue.Next(kStart).has_value());
  queue.Follow({}, {}, kStart);
  queue.Follow({{kA, Generation(2)}}, {}, kStart);
  queue.Done(kA, Outcome::kHolds, kStart);
  CHECK(NextGeneration(queue, kStart) == 2);
}

TEST_CASE("an object that is missing is made, and has a status once it is there") {
  const ObjectKey key{Kind::kGatewayClass, "", "aquifer"};
  WriteQueue queue = NewQueue();
  queue.Follow({}, {key}, kStart);
  const auto job = queue.Next(kStart);
  REQUIRE(job.has_value());
  CHECK_FALSE(job->status.has_value());
  queue.Done(key, Outcome::kHolds, kStart);
  queue.Follow({}, {key}, kStart);
  CHECK_FALSE(queue.Next(kStart).has_value());
  queue.Follow({{key, Generation(1)}}, {}, kStart);
  CHECK(NextGeneration(queue, kStart) == 1);
}

}  // namespace aquifer::control
