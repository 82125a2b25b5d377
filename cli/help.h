// What the program tells about itself, from the table of commands. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace aquifer::cli {

// Its own flags, those of a cluster where it asks one, and --help.
std::vector<CommandFlag> AllFlags(const Command& command);

std::string HelpOf(const Command& command, std::string_view program);

// Of the commands whose names begin with the word `group`; of all for "". Empty: there is none.
std::string HelpOfGroup(std::string_view group, const std::vector<Command>& commands,
                        std::string_view program);

}  // namespace aquifer::cli
