// From the words of a command line to the command they name: common flags before or behind it, help
// for it, the nearest name where there is none, and its run, on a Loop where it asks a cluster.
// Main thread.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace aquifer::cli {

using Environment = std::function<std::optional<std::string>(const char* name)>;

// Runs one of `commands` and returns the exit status.
int Dispatch(std::span<const std::string_view> words, const std::vector<Command>& commands,
             const Environment& environment, Output& out);

}  // namespace aquifer::cli
