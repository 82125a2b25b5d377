#include "cli/commands.h"

#include "cli/completion.h"
#include "core/app/version.h"

namespace aquifer::cli {
namespace {

int RunVersion(const Context& context) {
  context.out.Write("aquifer " + std::string(app::Version()) + "\n");
  return 0;
}

int RunCompletion(const Context& context) {
  const std::vector<std::string>& words = context.arguments.plain();
  const std::string script = words.empty() ? "" : CompletionScript(words[0], Commands());
  if (script.empty()) return context.Misused({"completion", "needs one of bash, zsh and fish"});
  context.out.Write(script);
  return 0;
}

}  // namespace

Command CompletionCommand() {
  return {.name = "completion",
          .summary = "a script that completes this program's words in a shell",
          .words = "bash|zsh|fish",
          .details = "For this shell: source <(aquifer completion bash)",
          .max_words = 1,
          .run = &RunCompletion};
}

Command VersionCommand() {
  return {.name = "version", .summary = "the version of this program", .run = &RunVersion};
}

const std::vector<CommandFlag>& ClusterFlags() {
  static const std::vector<CommandFlag> flags = {
      {"--kubeconfig", "FILE|in-cluster",
       "where the API server is (default: KUBECONFIG, ~/.kube/config, else that of this pod)"},
      {"--context", "NAME", "of the kubeconfig (default: its current one)"},
      {"--namespace", "NAME", "default: that of the context", 'n'},
      {"--timeout", "DURATION", "when to give up, such as 30s or 2m"},
  };
  return flags;
}

const std::vector<Command>& Commands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> all = {InstallCommand(), UninstallCommand(), CheckCommand(),
                                StatusCommand()};
    for (Command& command : WaypointCommands()) all.push_back(std::move(command));
    for (Command& command :
         std::vector{PolicyWhyCommand(), ConfigCommand(), CertsCommand(), LogsCommand()})
      all.push_back(std::move(command));
    for (Command& command :
         std::vector{ApplyCommand(), ConvertCommand(), CompletionCommand(), VersionCommand()})
      all.push_back(std::move(command));
    return all;
  }();
  return commands;
}

}  // namespace aquifer::cli
