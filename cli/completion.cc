#include "cli/completion.h"

#include <algorithm>

#include "cli/help.h"

namespace aquifer::cli {
namespace {

std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// What may stand behind the flag, with blanks between; empty where that is open.
std::string Choices(const CommandFlag& flag) {
  std::string choices(flag.value);
  const bool closed = choices.find('|') != std::string::npos &&
                      choices.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ.") == std::string::npos;
  std::replace(choices.begin(), choices.end(), '|', ' ');
  return closed ? choices : "";
}

std::string SpellingPattern(const CommandFlag& flag) {
  const std::string letter = flag.letter == 0 ? "" : std::string("|-") + flag.letter;
  return std::string(flag.name) + letter;
}

// The words behind the name of a command: flags, and after a flag its values.
std::string CaseOf(const Command& command) {
  std::string names;
  std::string text = "    \"" + std::string(command.name) + " \"*)\n      case \"$previous\" in\n";
  for (const CommandFlag& flag : AllFlags(command)) {
    names += " " + std::string(flag.name);
    if (!flag.value.empty())
      text += "        " + SpellingPattern(flag) + ") found=(" + Choices(flag) + ") ;;\n";
  }
  const bool completes = command.name == "completion";
  return text + "        *) found=(" + (completes ? "bash zsh fish" : names.erase(0, 1)) +
         ") ;;\n      esac ;;\n";
}

// First words, or second ones behind `first`.
std::vector<std::string> NamesBehind(std::string_view first, const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands) {
    std::string_view name = command.name;
    const size_t blank = std::min(name.find(' '), name.size());
    if (!first.empty() && (name.substr(0, blank) != first || blank == name.size())) continue;
    name = first.empty() ? name.substr(0, blank) : name.substr(blank + 1);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
  }
  return names;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Sets the array found from line, the words before the one that is completed, each with a blank
// behind it, and from previous, the last of them. bash and zsh read it alike.
std::string CaseOfAll(const std::vector<Command>& commands) {
  const std::vector<std::string> first = NamesBehind("", commands);
  std::string text = "  case \"$line\" in\n    \"\"|\" \"|\"help \") found=(help " + Joined(first);
  text += ") ;;\n";
  for (const Command& command : commands) text += CaseOf(command);
  for (const std::string& name : first) {
    const std::vector<std::string> second = NamesBehind(name, commands);
    if (!second.empty())
      text += "    \"" + name + " \"|\"help " + name + " \") found=(" + Joined(second) + ") ;;\n";
  }
  return text + "  esac\n";
}

std::string FishScript(const std::vector<Command>& commands) {
  std::string text =
      "function __aquifer_line\n"
      "  set -l words (commandline -opc)\n"
      "  string join ' ' -- $words[2..-1]\n"
      "end\n";
  const auto add = [&](const std::string& condition, const std::string& rest,
                       std::string_view about) {
    text += "complete -c aquifer -f -n " + Quoted(condition) + " " + rest + " -d " + Quoted(about) +
            "\n";
  };
  for (const Command& command : commands) {
    const std::string name(command.name);
    const size_t blank = name.find(' ');
    add("test -z (__aquifer_line | string collect -a)", "-a " + name.substr(0, blank),
        blank == std::string::npos ? command.summary : "");
    if (blank != std::string::npos) {
      add("test (__aquifer_line | string collect -a) = " + name.substr(0, blank),
          "-a " + name.substr(blank + 1), command.summary);
    }
    const std::string here = "string match -q -- \"" + name + "*\" (__aquifer_line)";
    for (const CommandFlag& flag : AllFlags(command)) {
      std::string option = "-l " + std::string(flag.name.substr(2));
      if (flag.letter != 0) option += std::string(" -s ") + flag.letter;
      const std::string choices = Choices(flag);
      if (!choices.empty()) option += " -x -a " + Quoted(choices);
      if (choices.empty() && !flag.value.empty()) option += " -r -F";
      add(here, option, flag.summary);
    }
  }
  return text;
}

}  // namespace

std::string CompletionScript(std::string_view shell, const std::vector<Command>& commands) {
  if (shell == "bash") {
    return "_aquifer() {\n"
           "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "  local line=\"${COMP_WORDS[*]:1:COMP_CWORD-1} \" found=()\n" +
           CaseOfAll(commands) +
           "  COMPREPLY=($(compgen -W \"${found[*]}\" -- \"$current\"))\n}\n"
           "complete -o default -F _aquifer aquifer\n";
  }
  if (shell == "zsh") {
    return "#compdef aquifer\n_aquifer() {\n"
           "  local previous=${words[CURRENT-1]} line=\"${(j: :)words[2,CURRENT-1]} \"\n"
           "  local -a found\n" +
           CaseOfAll(commands) +
           "  if (( $#found )); then compadd -a found; else _files; fi\n}\n"
           "compdef _aquifer aquifer\n";
  }
  return shell == "fish" ? FishScript(commands) : "";
}

}  // namespace aquifer::cli
