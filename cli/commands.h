// The table of all commands, in the order in which help tells them. Any thread.
#pragma once

#include <vector>

#include "cli/command.h"

namespace aquifer::cli {

const std::vector<Command>& Commands();

// Flags that every command has which asks a cluster.
const std::vector<CommandFlag>& ClusterFlags();

// The rows, each beside the function that it names.
Command ApplyCommand();
Command CertsCommand();
Command CheckCommand();
Command CompletionCommand();
Command ConfigCommand();
Command ConvertCommand();
Command InstallCommand();
Command LogsCommand();
Command PolicyWhyCommand();
Command StatusCommand();
Command UninstallCommand();
Command VersionCommand();
std::vector<Command> WaypointCommands();

}  // namespace aquifer::cli
