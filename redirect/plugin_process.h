// The CNI plugin as a process: environment and standard input in, one question to the node agent,
// standard output and exit status out. It needs no thread, no log and no library that a node may
// lack, for the same code is also a small program of its own (redirect/plugin_main.cc).
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "redirect/cni_plugin.h"

namespace aquifer::redirect {

// Whether this process was started by a container runtime: CNI_COMMAND says so.
bool IsCalledAsPlugin();
// The process's work and its exit status.
int RunAsPlugin();

// Asks the agent behind `socket`.
Task<Decoded<PluginAnswer>> AskAgent(std::string socket, PluginRequest request, StopToken stop);

// Asks on a loop of its own, and not for longer than the settings say.
class SocketAgent final : public PluginAgent {
 public:
  Decoded<PluginAnswer> Ask(const PluginSettings& settings, const PluginRequest& request) override;
};

// All that `fd` gives until its end, at most `max` bytes.
Decoded<std::string> ReadInput(int fd, size_t max);

}  // namespace aquifer::redirect
