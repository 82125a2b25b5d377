// Scripts that complete the words of our command line in a shell, from the table of commands. Pure;
// any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace aquifer::cli {

// `shell` is bash, zsh or fish; empty for any other.
std::string CompletionScript(std::string_view shell, const std::vector<Command>& commands);

}  // namespace aquifer::cli
