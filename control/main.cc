// aquifer-control: flags, signals and exit codes; everything else is in control_plane.h.
#include <sys/signalfd.h>

#include <csignal>
#include <cstdio>

#include "control/control_plane.h"
#include "control/reconcile/reconcile.h"
#include "core/rt/await.h"
#include "core/rt/scope.h"

namespace aquifer::control {
namespace {

Task<void> WatchSignals(UniqueFd signals, StopSource& stop, StopToken over) {
  signalfd_siginfo info{};
  Op op;
  op.kind = OpKind::kRead;
  op.fd = signals.get();
  op.data = &info;
  op.size = sizeof info;
  const int read = co_await OpAwaiter(op, over);
  if (read > 0) stop.RequestStop();
}

Task<void> Main(const ControlConfig& config, obs::Logger& log, obs::Registry& registry,
                UniqueFd signals, int& exit_code) {
  StopSource stop;
  StopSource over;
  Scope watching;
  watching.Spawn(WatchSignals(std::move(signals), stop, over.token()));
  ControlPlane plane(config, log, registry);
  const Result<void, Refusal> ran = co_await plane.Run(stop.token());
  if (!ran.ok()) {
    log.Error("control", "cannot start", {{"error", ran.error().ToString()}});
    exit_code = 1;
  }
  over.RequestStop();
  co_await watching.Join();
}

// Prints what an operator would find in the log and in /status. The exit status says whether every
// document could be used.
int Check(const ControlConfig& config) {
  ManifestDirectory directory(config.manifests);
  directory.Read({});
  directory.Commit({});
  const Observation seen = directory.Observe();
  const Reconciled reconciled = Reconcile(seen.objects, config.mesh);
  for (const std::string& kind : seen.skipped) std::printf("skipped: %s\n", kind.c_str());
  for (const std::string& line : DescribeChanges({}, reconciled.statuses)) std::puts(line.c_str());
  for (const std::string& warning : reconciled.warnings)
    std::printf("warning: %s\n", warning.c_str());
  for (const ManifestRefusal& refusal : seen.refusals)
    std::printf("refused: %s\n", refusal.ToString().c_str());
  std::printf("%s %s: %zu objects, %zu refusals\n", seen.refusals.empty() ? "ok" : "not ok",
              config.manifests.c_str(), seen.objects.size(), seen.refusals.size());
  return seen.refusals.empty() ? 0 : 1;
}

int Run(std::span<char* const> arguments) {
  const Decoded<ControlConfig> config = ParseFlags(arguments);
  if (!config) {
    std::fprintf(stderr, "aquifer-control: %s\n", config.error().ToString().c_str());
    return 2;
  }
  if (config->help) {
    std::fputs(HelpText().c_str(), stdout);
    return 0;
  }
  if (config->check) return Check(*config);
  const Decoded<obs::LevelFilter> levels = obs::LevelFilter::Parse(config->log_levels);
  if (!levels) {
    std::fprintf(stderr, "aquifer-control: --log-level: %s\n", levels.error().ToString().c_str());
    return 2;
  }
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGINT);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  UniqueFd signals(::signalfd(-1, &mask, SFD_CLOEXEC));

  obs::LoggerOptions options;
  options.format = config->log_format;
  options.levels = *levels;
  obs::Logger log(std::move(options));
  obs::Registry registry;
  Result<std::unique_ptr<Loop>> loop = Loop::Create();
  if (!loop) {
    log.Error("control", "this kernel or sandbox refuses io_uring, which is needed",
              {{"error", Describe(loop.error())}});
    return 1;
  }
  int exit_code = 0;
  (*loop)->Run(Main(*config, log, registry, std::move(signals), exit_code));
  return exit_code;
}

}  // namespace
}  // namespace aquifer::control

int main(int argc, char** argv) {
  return aquifer::control::Run(
      std::span<char* const>(argv + 1, static_cast<std::size_t>(argc - 1)));
}
