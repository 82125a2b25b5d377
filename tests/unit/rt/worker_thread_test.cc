#include "core/rt/worker_thread.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <future>

#include "core/base/unique_fd.h"
#include "core/rt/answers.h"
#include "tests/support/catch.h"
#include "tests/support/run_task.h"

namespace aquifer {
namespace {

// What the thread did, for the test to look at once it has ended.
struct Record {
  std::string name;
  std::vector<int> posted;
  std::atomic<bool> ended_at_home{false};
  std::atomic<bool> gone{false};
};

struct State {
  explicit State(Record& into) : record(into), thread(std::this_thread::get_id()) {
    std::array<char, 16> text{};
    pthread_getname_np(pthread_self(), text.data(), text.size());
    record.name = text.data();
  }
  ~State() { record.gone = true; }

  Task<void> End() {
    record.ended_at_home = std::this_thread::get_id() == thread;
    co_return;
  }

  Record& record;
  const std::thread::id thread;
  Event finished;
};

using Worker = WorkerThread<State>;

std::unique_ptr<Worker> StartWorker(Record& record, std::string name = "worker") {
  Result<std::unique_ptr<Worker>> worker =
      Worker::Start(std::move(name), [&record] { return std::make_unique<State>(record); });
  REQUIRE(worker.ok());
  return *std::move(worker);
}

Task<void> GatherFrom(Answers& answers, Status& outcome) { outcome = co_await answers.All(); }

}  // namespace

TEST_CASE("a worker's state is made, used and ended on its own thread") {
  Record record;
  std::promise<bool> elsewhere;
  std::unique_ptr<Worker> worker = StartWorker(record);
  CHECK(record.name == "worker");
  worker->Post([&elsewhere, here = std::this_thread::get_id()](State& state) {
    elsewhere.set_value(state.thread == std::this_thread::get_id() && state.thread != here);
    state.finished.Set();
  });
  CHECK(elsewhere.get_future().get());
  worker.reset();
  CHECK(record.ended_at_home);
  CHECK(record.gone);
}

TEST_CASE("work posted to a worker runs in order, also the work posted at once after its start") {
  Record record;
  std::unique_ptr<Worker> worker = StartWorker(record);
  for (int i = 0; i < 100; ++i)
    worker->Post([i](State& state) { state.record.posted.push_back(i); });
  worker->Post([](State& state) { state.finished.Set(); });
  worker.reset();
  REQUIRE(record.posted.size() == 100);
  CHECK(std::ranges::is_sorted(record.posted));
}

TEST_CASE("a thread's name may be longer than the kernel takes") {
  Record record;
  std::unique_ptr<Worker> worker = StartWorker(record, "a-name-that-is-too-long");
  worker->Post([](State& state) { state.finished.Set(); });
  worker.reset();
  CHECK(record.name == "a-name-that-is-");
}

TEST_CASE("a worker without a descriptor for its loop does not start") {
  const UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  REQUIRE(next.valid());
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  rlimit none = limit;
  none.rlim_cur = static_cast<rlim_t>(next.get()) + 1;
  ::setrlimit(RLIMIT_NOFILE, &none);
  Record record;
  const Result<std::unique_ptr<Worker>> worker =
      Worker::Start("worker", [&record] { return std::make_unique<State>(record); });
  ::setrlimit(RLIMIT_NOFILE, &limit);
  CHECK_FALSE(worker.ok());
  CHECK(record.name.empty());
}

TEST_CASE("answers are awaited until the last, and the first error is the outcome") {
  Answers answers(3);
  Status outcome;
  answers.Take();
  answers.Take(Error{Reason::kTimeout});
  answers.Take(Error{Reason::kSystem});
  test::Run(GatherFrom(answers, outcome));
  REQUIRE_FALSE(outcome.ok());
  CHECK(outcome.error().reason == Reason::kTimeout);
}

TEST_CASE("who asks nobody has all answers") {
  Answers answers(0);
  Status outcome = Error{Reason::kTimeout};
  test::Run(GatherFrom(answers, outcome));
  CHECK(outcome.ok());
}

}  // namespace aquifer
