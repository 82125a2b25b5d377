// aquifer-control: what it is called with; everything else is in control_plane.h.
#include <cstdio>

#include "control/control_plane.h"
#include "control/reconcile/reconcile.h"
#include "control/source/directory.h"
#include "core/app/process.h"
#include "core/app/program.h"

namespace aquifer::control {
namespace {

Task<Result<void, Refusal>> Serve(const ControlConfig& config, app::Process& process,
                                  StopToken stop) {
  ControlPlane plane(config, process.log(), process.registry());
  co_return co_await plane.Run(stop);
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
  return seen.refusals.empty() ? 0 : app::kExitFailed;
}

int Run(std::span<char* const> arguments) {
  const std::string help = HelpText();
  const app::Program self{.name = "aquifer-control", .help = help};
  if (!arguments.empty()) {
    if (const std::optional<int> answered = self.Answer(arguments[0])) return *answered;
  }
  const Decoded<ControlConfig> config = ParseFlags(arguments);
  if (!config) return self.Misused(config.error().ToString());
  if (config->help) return *self.Answer("help");
  if (config->check) return Check(*config);
  const Decoded<obs::LevelFilter> levels = obs::LevelFilter::Parse(config->log_levels);
  if (!levels) return self.Refused({"--log-level", levels.error().ToString()});
  app::Process process({.program = "aquifer-control",
                        .scope = "control",
                        .log_format = config->log_format,
                        .log_levels = *levels,
                        .io_backend = config->io_backend});
  return process.Run([&](StopToken stop) { return Serve(*config, process, stop); });
}

}  // namespace
}  // namespace aquifer::control

int main(int argc, char** argv) {
  return aquifer::control::Run(
      std::span<char* const>(argv + 1, static_cast<std::size_t>(argc - 1)));
}
