#include "cli/help.h"

#include <algorithm>

#include "cli/commands.h"

namespace aquifer::cli {
namespace {

// Two columns.
std::string Row(std::string left, std::string_view right, size_t width) {
  left = "  " + left;
  left.resize(std::max(left.size() + 2, width), ' ');
  return left + std::string(right) + "\n";
}

std::string SpellingOf(const CommandFlag& flag) {
  std::string text = flag.letter == 0 ? "    " : std::string("-") + flag.letter + ", ";
  text += flag.name;
  if (!flag.value.empty()) text += " " + std::string(flag.value);
  return text;
}

}  // namespace

std::vector<CommandFlag> AllFlags(const Command& command) {
  std::vector<CommandFlag> flags = command.flags;
  if (command.ask != nullptr)
    flags.insert(flags.end(), ClusterFlags().begin(), ClusterFlags().end());
  return flags;
}

std::string HelpOf(const Command& command, std::string_view program) {
  const std::vector<CommandFlag> flags = AllFlags(command);
  std::string text = std::string(program) + " " + std::string(command.name);
  if (!command.words.empty()) text += " " + std::string(command.words);
  if (!flags.empty()) text += " [FLAG]...";
  text += "\n\n" + std::string(command.summary) + "\n";
  if (!command.details.empty()) text += "\n" + std::string(command.details) + "\n";
  if (!flags.empty()) text += "\n";
  for (const CommandFlag& flag : flags) {
    const std::string again = flag.repeats ? "; may be given again" : "";
    text += Row(SpellingOf(flag), std::string(flag.summary) + again, 36);
  }
  return text;
}

std::string HelpOfGroup(std::string_view group, const std::vector<Command>& commands,
                        std::string_view program) {
  std::string rows;
  const std::string prefix = std::string(group) + " ";
  for (const Command& command : commands) {
    if (group.empty() || command.name.starts_with(prefix))
      rows += Row(std::string(command.name), command.summary, 24);
  }
  if (rows.empty()) return "";
  std::string text;
  if (group.empty()) text = "aquifer: installs, asks and serves a mesh of Aquifer\n\n";
  text += rows;
  const std::string about = group.empty() ? "COMMAND" : prefix + "COMMAND";
  return text + "\n\"" + std::string(program) + " help " + about + "\" tells more about one.\n";
}

}  // namespace aquifer::cli
