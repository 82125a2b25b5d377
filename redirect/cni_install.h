// Puts the CNI plugin onto a node and keeps it there: its program into the folder of plugins, and
// beside the network configuration a list of our own that runtimes take before it, in step with it.
// What a provider writes anew, as it starts after a reboot, does not take us out. Files are
// replaced as a whole and reach the disk before they get their name: after a power cut a node must
// neither find half a configuration nor one that lost us. Blocking file I/O; one thread, its
// Loop's.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/io/dir_watch.h"
#include "core/obs/log.h"
#include "core/obs/rate_limiter.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "redirect/cni_chain.h"

namespace aquifer::redirect {

struct CniInstallOptions {
  std::string conf_dir = "/etc/cni/net.d";
  std::string bin_dir = "/opt/cni/bin";
  std::string program;  // that is copied; none: PluginProgram()
  OrderedJson entry;    // MakePluginEntry
};

// The plugin that belongs to the running program: aquifer-cni-plugin beside it, which needs no
// libraries of the node, else the program itself.
std::string PluginProgram();

// Copies the program, unless it is there already. The refusal's field is a path.
Result<void, Refusal> InstallProgram(const CniInstallOptions& options);
// Whether a program is there that can be run.
bool HasProgram(const CniInstallOptions& options);
// Makes our plugin part of the configuration that runtimes take. The value is the file that was
// written, empty if all was as it should be. Refused while there is no configuration.
Decoded<std::string> InstallEntry(const CniInstallOptions& options);
// Takes our lists away, and the entry out of every other, then the program away. Goes on behind
// what it cannot do and tells of it.
std::vector<Refusal> Uninstall(const CniInstallOptions& options);

class CniInstaller {
 public:
  // The logger outlives the installer.
  CniInstaller(CniInstallOptions options, obs::Logger& log);

  // Until stopped. What was installed stays.
  Task<void> Run(StopToken stop);
  // Why new pods would start without the plugin; empty if they would not.
  const std::string& problem() const { return problem_; }

 private:
  bool Look();

  const CniInstallOptions options_;
  obs::Logger& log_;
  obs::RateLimiter limiter_{1};
  io::DirWatch watch_;
  bool copied_ = false;
  std::string problem_ = "not tried yet";
};

}  // namespace aquifer::redirect
