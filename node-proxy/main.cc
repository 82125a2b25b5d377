// aquifer-node: the proxy of a node. Settings, signals and exit codes; everything else is in
// proxy.h.
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "core/rt/await.h"
#include "node-proxy/config.h"
#include "node-proxy/proxy.h"

namespace aquifer::node {
namespace {

constexpr int kExitSettings = 2;

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

// SIGTERM and SIGINT start the drain; a second one ends the process at once.
Task<void> WatchSignals(UniqueFd signals, StopSource& stop, StopToken over) {
  for (int seen = 0;; ++seen) {
    signalfd_siginfo info{};
    Op op;
    op.kind = OpKind::kRead;
    op.fd = signals.get();
    op.data = &info;
    op.size = sizeof info;
    const int read = co_await OpAwaiter(op, over);
    if (read < 0) co_return;
    if (seen > 0) std::_Exit(1);
    stop.RequestStop();
  }
}

Task<void> Main(const Config& config, obs::Logger& log, obs::Registry& registry, UniqueFd signals,
                int& exit_code) {
  StopSource stop;
  StopSource over;
  Scope watching;
  watching.Spawn(WatchSignals(std::move(signals), stop, over.token()));
  Proxy proxy(config, log, registry);
  const Result<void, Refusal> ran = co_await proxy.Run(stop.token());
  if (!ran.ok()) {
    log.Error("proxy", "cannot start", {{"error", ran.error().ToString()}});
    exit_code = 1;
  }
  over.RequestStop();
  co_await watching.Join();
}

int Run() {
  const Decoded<ConfigOutcome> loaded = LoadConfig(ReadEnvironment());
  if (!loaded) {
    std::fprintf(stderr, "aquifer-node: %s\n", loaded.error().ToString().c_str());
    return kExitSettings;
  }
  const Config& config = loaded->config;
  const Decoded<obs::LevelFilter> levels = obs::LevelFilter::Parse(config.log_levels);
  if (!levels) {
    std::fprintf(stderr, "aquifer-node: RUST_LOG: %s\n", levels.error().ToString().c_str());
    return kExitSettings;
  }
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGINT);
  // Before any thread is made, so that all of them leave these to the descriptor.
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  UniqueFd signals(::signalfd(-1, &mask, SFD_CLOEXEC));
  RaiseDescriptorLimit();

  obs::LoggerOptions options;
  options.format = config.log_format;
  options.levels = *levels;
  obs::Logger log(std::move(options));
  for (const std::string& name : loaded->unknown)
    log.Warn("config", "unknown setting, probably misspelt", {{"name", name}});
  for (const std::string& name : config.ignored)
    log.Warn("config", "setting has no effect here", {{"name", name}});
  obs::Registry registry;
  Result<std::unique_ptr<Loop>> loop = Loop::Create();
  if (!loop) {
    log.Error("proxy",
              "this kernel or sandbox refuses io_uring, which is needed (Linux 6.1 or later, "
              "kernel.io_uring_disabled=0, a seccomp "
              "profile that allows io_uring_setup)",
              {{"error", Describe(loop.error())}});
    return 1;
  }
  int exit_code = 0;
  (*loop)->Run(Main(config, log, registry, std::move(signals), exit_code));
  return exit_code;
}

void Help() {
  std::puts(
      "aquifer-node: the node proxy of Aquifer\n\n"
      "  aquifer-node [proxy]   run\n"
      "  aquifer-node version   print the version\n"
      "  aquifer-node help      this text\n\n"
      "Settings come from the environment, under the names of Istio's node proxy "
      "(docs/settings.md).\n"
      "Admin: localhost:15000, metrics: 15020/metrics, readiness: 15021/healthz/ready.");
}

}  // namespace
}  // namespace aquifer::node

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "proxy";
  // Istio's chart starts the proxy as "proxy ztunnel".
  if (verb == "proxy") return aquifer::node::Run();
  if (verb == "version") return std::puts("aquifer-node 0.1.0") < 0;
  if (verb == "help" || verb == "--help" || verb == "-h") {
    aquifer::node::Help();
    return 0;
  }
  std::fprintf(stderr, "aquifer-node: no such command: %s (try: aquifer-node help)\n", argv[1]);
  return 2;
}
