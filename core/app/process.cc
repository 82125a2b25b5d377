#include "core/app/process.h"

#include <sys/resource.h>
#include <sys/signalfd.h>

#include <csignal>
#include <cstdlib>

#include "core/app/program.h"
#include "core/app/version.h"
#include "core/obs/mesh_metrics.h"
#include "core/rt/await.h"
#include "core/rt/scope.h"

namespace aquifer::app {
namespace {

// The descriptor that SIGTERM and SIGINT are read from, in place of handlers.
UniqueFd TakeSignals() {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGINT);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  // A peer that has gone shows as the error of a write.
  ::signal(SIGPIPE, SIG_IGN);
  return UniqueFd(::signalfd(-1, &mask, SFD_CLOEXEC));
}

// Each connection is two descriptors; the soft limit is made for programs that use select(2).
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

obs::LoggerOptions LoggerOf(const ProcessOptions& options) {
  obs::LoggerOptions logger;
  logger.format = options.log_format;
  logger.levels = options.log_levels;
  return logger;
}

Task<void> WatchSignals(int signals, StopSource& stop, StopToken over) {
  for (int seen = 0;; ++seen) {
    signalfd_siginfo info{};
    Op op;
    op.kind = OpKind::kRead;
    op.fd = signals;
    op.data = &info;
    op.size = sizeof info;
    const int read = co_await OpAwaiter(op, over);
    if (read < 0) co_return;
    if (seen > 0) std::_Exit(kExitFailed);
    stop.RequestStop();
  }
}

}  // namespace

Process::Process(const ProcessOptions& options)
    : scope_(options.scope),
      io_backend_(options.io_backend),
      signals_(TakeSignals()),
      log_(LoggerOf(options)) {
  RaiseDescriptorLimit();
  obs::AddBuildInfo(registry_, options.program, Version());
}

int Process::Run(const Serve& serve) {
  if (!signals_.valid()) {
    log_.Error(scope_, "signals cannot be awaited: no descriptor is left");
    return kExitFailed;
  }
  const Result<std::unique_ptr<Loop>> loop = Loop::Create({.backend = io_backend_});
  if (!loop) {
    log_.Error(scope_,
               io_backend_ == BackendKind::kIoUring && loop.error().reason == Reason::kUnsupported
                   ? "this kernel or sandbox refuses io_uring, which the settings ask for (Linux "
                     "6.1 or later, kernel.io_uring_disabled=0, a seccomp profile that allows "
                     "io_uring_setup); without that setting it would be epoll"
                   : "the main loop cannot be made",
               {{"error", Describe(loop.error())}});
    return kExitFailed;
  }
  Announce(**loop);
  int exit_status = 0;
  (*loop)->Run(Main(serve, exit_status));
  return exit_status;
}

void Process::Announce(const Loop& loop) {
  const std::string_view name = BackendName(loop.backend());
  obs::AddIoBackend(registry_, name);
  std::string why = "the settings ask for it";
  if (!io_backend_) why = "it is there";
  if (!loop.io_uring_refusal())
    why = "io_uring is refused: " + Describe(loop.io_uring_refusal().error());
  log_.Info(scope_, "I/O backend chosen", {{"backend", name}, {"why", why}});
}

Task<void> Process::Main(const Serve& serve, int& exit_status) {
  StopSource stop;
  StopSource over;
  Scope watching;
  watching.Spawn(WatchSignals(signals_.get(), stop, over.token()));
  const Result<void, Refusal> served = co_await serve(stop.token());
  if (!served.ok()) {
    log_.Error(scope_, "cannot start", {{"error", served.error().ToString()}});
    exit_status = kExitFailed;
  }
  over.RequestStop();
  co_await watching.Join();
}

}  // namespace aquifer::app
