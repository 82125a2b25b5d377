// Each program runs in a child process: signals, limits and exits are the whole process's.
#include "core/app/process.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <tuple>

#include "core/app/program.h"
#include "core/app/version.h"
#include "core/rt/event.h"
#include "tests/support/catch.h"
#include "tests/support/refuse.h"

namespace aquifer::app {
namespace {

struct Ended {
  int status = -1;  // as of wait(2)
  std::string output;
  int exit_status() const { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
};

// Runs `body` in a child whose two outputs come back as text; it exits with what `body` returns.
Ended InChild(const std::function<int()>& body) {
  int pipe_ends[2];
  REQUIRE(::pipe(pipe_ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(pipe_ends[1], 1);
    ::dup2(pipe_ends[1], 2);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    ::_exit(body());
  }
  ::close(pipe_ends[1]);
  Ended ended;
  char bytes[4096];
  for (ssize_t got = 0; (got = ::read(pipe_ends[0], bytes, sizeof bytes)) > 0;)
    ended.output.append(bytes, static_cast<size_t>(got));
  ::close(pipe_ends[0]);
  REQUIRE(::waitpid(child, &ended.status, 0) == child);
  return ended;
}

Ended Serving(const Process::Serve& serve) {
  return InChild([&serve] {
    Process process({.program = "aquifer-test", .scope = "test"});
    return process.Run(serve);
  });
}

Task<Result<void, Refusal>> Nothing(StopToken) { co_return Result<void, Refusal>(); }
Task<Result<void, Refusal>> BadPort(StopToken) {
  co_return Refusal{"admin port", "cannot be bound"};
}

Task<Result<void, Refusal>> UntilSignal(int signal, StopToken stop) {
  ::kill(::getpid(), signal);
  Event never;
  const Status stopped = co_await never.Wait(stop);
  if (stopped.ok()) co_return Refusal{"stop", "did not come"};
  co_return Result<void, Refusal>();
}

// Asked to stop, and never done with it.
Task<Result<void, Refusal>> DrainForEver(StopToken stop) {
  std::ignore = co_await UntilSignal(SIGTERM, stop);
  ::kill(::getpid(), SIGINT);
  Event never;
  std::ignore = co_await never.Wait(StopToken());
  co_return Result<void, Refusal>();
}

Task<Result<void, Refusal>> WriteToNobody(StopToken) {
  int pipe_ends[2];
  AQ_CHECK(::pipe(pipe_ends) == 0);
  ::close(pipe_ends[0]);
  if (::write(pipe_ends[1], "x", 1) != -1) co_return Refusal{"write", "should fail"};
  co_return Result<void, Refusal>();
}

// In a sandbox as container runtimes make them.
Ended WithoutIoUring(std::optional<BackendKind> asked) {
  return InChild([asked] {
    test::Refuse(SYS_io_uring_setup, EPERM);
    Process process({.program = "aquifer-test", .scope = "test", .io_backend = asked});
    const int status = process.Run(&Nothing);
    std::fputs(process.registry().Text().c_str(), stdout);
    std::fflush(stdout);
    return status;
  });
}

constexpr Program kProgram{.name = "aquifer-test", .help = "how to use it\n"};

}  // namespace

TEST_CASE("a program that has served exits with 0") {
  const Ended ended = Serving(&Nothing);
  CHECK(ended.exit_status() == 0);
  CHECK(std::ranges::count(ended.output, '\n') == 1);
  CHECK(ended.output.find("I/O backend chosen") != std::string::npos);
}

TEST_CASE("a start that failed is logged and exits with 1") {
  const Ended ended = Serving(&BadPort);
  CHECK(ended.exit_status() == kExitFailed);
  CHECK(ended.output.find("cannot start") != std::string::npos);
  CHECK(ended.output.find("admin port: cannot be bound") != std::string::npos);
}

TEST_CASE("SIGTERM and SIGINT ask the program to stop") {
  for (const int signal : {SIGTERM, SIGINT}) {
    const Ended ended = Serving([signal](StopToken stop) { return UntilSignal(signal, stop); });
    CHECK(ended.exit_status() == 0);
  }
}

TEST_CASE("a second signal ends a drain that takes too long") {
  const Ended ended = Serving(&DrainForEver);
  CHECK(ended.exit_status() == kExitFailed);
}

TEST_CASE("a peer that has gone does not end the program") {
  const Ended ended = Serving(&WriteToNobody);
  CHECK(ended.exit_status() == 0);
}

TEST_CASE("a program takes all the descriptors that it may have") {
  const Ended ended = InChild([] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    limit.rlim_max = 512;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const Process process({.program = "aquifer-test", .scope = "test"});
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == 512 ? 0 : 1;
  });
  CHECK(ended.exit_status() == 0);
}

TEST_CASE("a program's metrics say which it is") {
  const Ended ended = InChild([] {
    Process process({.program = "aquifer-test", .scope = "test"});
    std::fputs(process.registry().Text().c_str(), stdout);
    std::fflush(stdout);
    return 0;
  });
  const std::string version(Version());
  CHECK(ended.output.find("istio_build{component=\"aquifer-test\",tag=\"" + version + "\"} 1") !=
        std::string::npos);
}

TEST_CASE("a program in a sandbox without io_uring runs on epoll and says why") {
  const Ended ended = WithoutIoUring(std::nullopt);
  CHECK(ended.exit_status() == 0);
  CHECK(ended.output.find("backend=\"epoll\"") != std::string::npos);
  CHECK(ended.output.find("io_uring is refused") != std::string::npos);
  CHECK(ended.output.find("Operation not permitted") != std::string::npos);
  CHECK(ended.output.find("aquifer_io_backend{backend=\"epoll\"} 1") != std::string::npos);
}

TEST_CASE("a program that is to use io_uring does not start in a sandbox without it") {
  const Ended ended = WithoutIoUring(BackendKind::kIoUring);
  CHECK(ended.exit_status() == kExitFailed);
  CHECK(ended.output.find("refuses io_uring, which the settings ask for") != std::string::npos);
  CHECK(ended.output.find("Operation not permitted") != std::string::npos);
}

TEST_CASE("every spelling of version and help is answered, other words are not") {
  for (const char* word : {"version", "--version"}) {
    const Ended ended = InChild([word] { return kProgram.Answer(word).value_or(9); });
    CHECK(ended.exit_status() == 0);
    CHECK(ended.output == "aquifer-test " + std::string(Version()) + "\n");
  }
  for (const char* word : {"help", "--help", "-h"}) {
    const Ended ended = InChild([word] { return kProgram.Answer(word).value_or(9); });
    CHECK(ended.exit_status() == 0);
    CHECK(ended.output == "how to use it\n");
  }
  CHECK_FALSE(kProgram.Answer("proxy").has_value());
  CHECK_FALSE(kProgram.Answer("").has_value());
}

TEST_CASE("a complaint names the program and exits as its kind does") {
  const Ended failed = InChild([] { return kProgram.Failed("no network"); });
  CHECK(failed.exit_status() == kExitFailed);
  CHECK(failed.output == "aquifer-test: no network\n");
  const Ended misused = InChild([] { return kProgram.Misused("x: is no command"); });
  CHECK(misused.exit_status() == kExitMisuse);
  CHECK(misused.output ==
        "aquifer-test: x: is no command; \"aquifer-test help\" tells the usage\n");
  const Ended refused = InChild([] { return kProgram.Refused({"PORT", "is not a port"}); });
  CHECK(refused.exit_status() == kExitMisuse);
  CHECK(refused.output == "aquifer-test: PORT: is not a port\n");
}

TEST_CASE("the version is a number with dots") {
  const std::string version(Version());
  CHECK(version.find_first_not_of("0123456789.") == std::string::npos);
  CHECK(version.find('.') != std::string::npos);
}

}  // namespace aquifer::app
