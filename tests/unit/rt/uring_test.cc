#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/rt/backend.h"
#include "core/rt/block.h"
#include "tests/support/catch.h"

namespace aquifer {
namespace {

class Counter final : public CompletionSink {
 public:
  void OnComplete(Op& op) override {
    ++completed;
    if (op.block != nullptr) op.block->Unref();
    op.block = nullptr;
  }

  int completed = 0;
};

struct Receive {
  Receive() {
    std::array<int, 2> pair{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
    near = UniqueFd(pair[0]);
    far = UniqueFd(pair[1]);
    op.kind = OpKind::kRecvPooled;
    op.fd = near.get();
  }

  UniqueFd near;
  UniqueFd far;
  Op op;
};

}  // namespace

TEST_CASE("a receive that is cancelled while the kernel is out of blocks ends as cancelled") {
  Result<std::unique_ptr<Backend>> made = MakeUringBackend(256);
  REQUIRE(made.ok());
  Backend& backend = **made;
  Counter sink;
  std::vector<Receive> busy(64);  // as many as there are blocks
  for (Receive& each : busy) {
    REQUIRE(::write(each.far.get(), "x", 1) == 1);
    backend.Submit(each.op);
  }
  Receive idle;  // on which nothing will ever arrive
  backend.Submit(idle.op);
  backend.Cancel(idle.op);
  const TimePoint end = Clock::now() + std::chrono::seconds(2);
  while (sink.completed < 65 && Clock::now() < end) backend.Wait(end, sink);
  CHECK(sink.completed == 65);
  CHECK(idle.op.result == -ECANCELED);
}

TEST_CASE("a receive for which there was no block at first still receives") {
  Result<std::unique_ptr<Backend>> made = MakeUringBackend(256);
  REQUIRE(made.ok());
  Backend& backend = **made;
  Counter sink;
  std::vector<Receive> busy(100);
  for (Receive& each : busy) {
    REQUIRE(::write(each.far.get(), "x", 1) == 1);
    backend.Submit(each.op);
  }
  const TimePoint end = Clock::now() + std::chrono::seconds(2);
  while (sink.completed < 100 && Clock::now() < end) backend.Wait(end, sink);
  CHECK(sink.completed == 100);
  for (const Receive& each : busy) CHECK(each.op.result == 1);
}

}  // namespace aquifer
