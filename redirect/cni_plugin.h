// The CNI plugin as a function: what the runtime says in environment and standard input becomes the
// answer on standard output and an exit status (CNI specification 1.1, section 2). The pod's
// enrolment is the node agent's work and is asked of it; the plugin itself changes nothing and
// passes the result of the plugin before it on. Pure but for the asking; any thread.
#pragma once

#include <string>

#include "core/base/result.h"
#include "redirect/cni_conf.h"
#include "redirect/plugin_protocol.h"

namespace aquifer::redirect {

struct PluginCall {
  std::string command;       // CNI_COMMAND
  std::string container_id;  // CNI_CONTAINERID
  std::string netns;         // CNI_NETNS
  std::string args;          // CNI_ARGS
  std::string conf;          // standard input
};

struct PluginOutput {
  int exit_status = 0;
  std::string text;  // for standard output
  std::string note;  // for standard error, which runtimes keep in their log
};

// The node agent, as the plugin sees it.
class PluginAgent {
 public:
  virtual ~PluginAgent() = default;
  // The refusal says why there is no answer.
  virtual Decoded<PluginAnswer> Ask(const PluginSettings& settings,
                                    const PluginRequest& request) = 0;
};

PluginOutput RunPlugin(const PluginCall& call, PluginAgent& agent);

// The error object of section 3, as an output.
PluginOutput PluginFailure(const std::string& version, const CniError& error);

}  // namespace aquifer::redirect
