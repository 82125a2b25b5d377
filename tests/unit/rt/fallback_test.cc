// Which backend a loop gets where the kernel refuses io_uring. The refusals are real ones: each
// case runs in a child that has had the system call taken away.
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>

#include "core/rt/loop.h"
#include "core/rt/worker_thread.h"
#include "tests/support/catch.h"
#include "tests/support/refuse.h"
#include "tests/support/turn.h"

namespace aquifer {
namespace {

using MadeLoop = Result<std::unique_ptr<Loop>>;

bool HoldsInChild(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool IsEpollFor(const MadeLoop& loop, int refusal) {
  return loop.ok() && (*loop)->backend() == BackendKind::kEpoll &&
         !(*loop)->io_uring_refusal().ok() &&
         (*loop)->io_uring_refusal().error().os_error == refusal;
}

Task<void> Turns(int& turns) {
  for (int i = 0; i < 3; ++i, ++turns) co_await test::Turn();
}

Task<void> Tell(std::optional<BackendKind>& kind, std::function<void()> started) {
  kind = Loop::CurrentBackend();
  started();
  co_return;
}

Task<void> StartThread(std::optional<BackendKind>& of_thread) {
  const auto thread = LoopThread::Start("worker", [&of_thread](std::function<void()> started) {
    return Tell(of_thread, std::move(started));
  });
  CHECK(thread.ok());
  co_return;
}

}  // namespace

TEST_CASE("where a ring cannot be made the loop runs on epoll and knows why") {
  for (const int error : {EPERM, EACCES, ENOSYS, ENOMEM, EINVAL}) {
    CHECK(HoldsInChild([error] {
      test::Refuse(SYS_io_uring_setup, static_cast<unsigned>(error));
      const MadeLoop loop = Loop::Create();
      if (!IsEpollFor(loop, error)) return false;
      int turns = 0;
      (*loop)->Run(Turns(turns));
      return turns == 3;
    }));
  }
}

TEST_CASE("where a ring can be made and not be used the loop runs on epoll") {
  if (!MakeUringBackend(64).ok()) return;  // there is no ring to be made
  for (const unsigned system_call : {SYS_io_uring_register, SYS_io_uring_enter}) {
    CHECK(HoldsInChild([system_call] {
      test::Refuse(system_call, EPERM);
      return IsEpollFor(Loop::Create(), EPERM);
    }));
  }
}

TEST_CASE("who asks for io_uring gets it or nothing") {
  CHECK(HoldsInChild([] {
    test::Refuse(SYS_io_uring_setup, EPERM);
    const MadeLoop loop = Loop::Create({.backend = BackendKind::kIoUring});
    return !loop.ok() && loop.error() == Error{Reason::kUnsupported, EPERM};
  }));
}

TEST_CASE("who asks for epoll gets it, whatever else there is") {
  const MadeLoop loop = Loop::Create({.backend = BackendKind::kEpoll});
  REQUIRE(loop.ok());
  CHECK((*loop)->backend() == BackendKind::kEpoll);
  CHECK((*loop)->io_uring_refusal().ok());
}

TEST_CASE("that descriptors have run out is no refusal of io_uring") {
  CHECK(HoldsInChild([] {
    test::Refuse(SYS_io_uring_setup, EMFILE);
    const MadeLoop loop = Loop::Create();
    return !loop.ok() && loop.error() == Error{Reason::kOverload, EMFILE};
  }));
}

TEST_CASE("a thread that a loop starts has a loop of the same kind") {
  const MadeLoop loop = Loop::Create({.backend = BackendKind::kEpoll});
  REQUIRE(loop.ok());
  std::optional<BackendKind> of_thread;
  (*loop)->Run(StartThread(of_thread));
  CHECK(of_thread == BackendKind::kEpoll);
}

}  // namespace aquifer
