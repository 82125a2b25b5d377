// A backend without a loop, for tests of what every backend does alike: each case runs on all that
// this kernel lets us have.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/rt/backend.h"
#include "core/rt/block.h"
#include "tests/support/catch.h"

namespace aquifer::test {

// No case waits this long; it ends those that would wait for ever.
inline constexpr std::chrono::seconds kPatience(5);

struct Pair {
  explicit Pair(int type = SOCK_STREAM) {
    std::array<int, 2> pair{};
    REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair.data()) == 0);
    near = UniqueFd(pair[0]);
    far = UniqueFd(pair[1]);
  }
  void Say(const std::string& text) const {
    REQUIRE(::write(far.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  UniqueFd near;
  UniqueFd far;
};

// A backend, and the completions that it has handed out.
class Kernel final : private CompletionSink {
 public:
  explicit Kernel(BackendKind kind) {
    Result<std::unique_ptr<Backend>> made =
        kind == BackendKind::kIoUring ? MakeUringBackend(256) : MakeEpollBackend();
    REQUIRE(made.ok());
    backend_ = *std::move(made);
  }

  void Submit(Op& op) {
    op.in_flight = true;
    backend_->Submit(op);
  }
  void Cancel(Op& op) { backend_->Cancel(op); }
  // Until `count` more operations have completed.
  void Await(int count = 1) {
    const int enough = completed_ + count;
    const TimePoint end = Clock::now() + kPatience;
    while (completed_ < enough && Clock::now() < end) backend_->Wait(end, *this);
    REQUIRE(completed_ == enough);
  }
  // One turn that waits for nothing. How many completed in it.
  int Look() {
    const int before = completed_;
    backend_->Wait(TimePoint::min(), *this);
    return completed_ - before;
  }
  int Do(Op& op) {
    Submit(op);
    Await();
    return op.result;
  }

 private:
  void OnComplete(Op& op) override {
    CHECK(op.in_flight);
    op.in_flight = false;
    ++completed_;
    if (op.block == nullptr) return;
    op.block->Unref();
    op.block = nullptr;
  }

  std::unique_ptr<Backend> backend_;
  int completed_ = 0;
};

inline std::vector<BackendKind> Kinds() {
  std::vector<BackendKind> kinds = {BackendKind::kEpoll};
  if (MakeUringBackend(64).ok()) kinds.push_back(BackendKind::kIoUring);
  return kinds;
}

#define EACH_BACKEND() \
  ::aquifer::test::Kernel kernel(GENERATE(from_range(::aquifer::test::Kinds())))

inline Op Of(OpKind kind, int fd) {
  Op op;
  op.kind = kind;
  op.fd = fd;
  return op;
}

inline Op Moving(OpKind kind, int fd, std::string& bytes) {
  Op op = Of(kind, fd);
  op.data = bytes.data();
  op.size = bytes.size();
  return op;
}

}  // namespace aquifer::test
