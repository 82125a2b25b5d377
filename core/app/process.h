// A program of ours as the kernel sees it: signals, the limit of descriptors, its log, the loop of
// its main thread and its exit status. main() makes one as soon as the settings are known, and
// before any other thread: each inherits the signals that are blocked. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/obs/log.h"
#include "core/obs/metrics.h"
#include "core/rt/backend.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer {
class Loop;
}

namespace aquifer::app {

struct ProcessOptions {
  std::string_view program;  // its name, of istio_build
  std::string_view scope;    // of the log lines about the start
  obs::LogFormat log_format = obs::LogFormat::kText;
  obs::LevelFilter log_levels = obs::LevelFilter();
  std::optional<BackendKind> io_backend = std::nullopt;  // none: as core/rt/loop.h chooses
};

class Process {
 public:
  explicit Process(const ProcessOptions& options);

  obs::Logger& log() { return log_; }
  obs::Registry& registry() { return registry_; }

  // Does the program's work until the stop, and ends it. An error is a start that failed.
  using Serve = std::function<Task<Result<void, Refusal>>(StopToken stop)>;
  // Runs `serve` on this thread's loop and returns the exit status. SIGTERM and SIGINT ask it to
  // stop; a second one ends the process at once. The log says how the loop reaches the kernel.
  int Run(const Serve& serve);

 private:
  void Announce(const Loop& loop);
  Task<void> Main(const Serve& serve, int& exit_status);

  const std::string_view scope_;
  const std::optional<BackendKind> io_backend_;
  const UniqueFd signals_;  // before the log, which has a thread
  obs::Logger log_;
  obs::Registry registry_;
};

}  // namespace aquifer::app
