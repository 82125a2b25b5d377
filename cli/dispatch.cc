#include "cli/dispatch.h"

#include <algorithm>
#include <array>

#include "cli/cluster.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/nearest.h"
#include "core/app/duration.h"
#include "core/app/process.h"
#include "core/rt/timer.h"
#include "kube/names.h"

namespace aquifer::cli {
namespace {

// A command line as it was cut: what stands before the name are flags of every command.
struct Asked {
  const Command* command = nullptr;
  std::vector<std::string_view> rest;  // without the name
};

bool WantsHelp(std::span<const std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [](std::string_view word) { return word == "--help" || word == "-h"; });
}

// How many of `words` are flags of ClusterFlags and their values, from the first on.
size_t LeadingFlags(std::span<const std::string_view> words) {
  size_t at = 0;
  while (at < words.size() && words[at].size() > 1 && words[at][0] == '-') {
    const std::string_view word = words[at];
    const auto is_it = [&](const CommandFlag& flag) {
      return word == flag.name || (word.size() == 2 && word[1] == flag.letter);
    };
    const auto& flags = ClusterFlags();
    at += std::any_of(flags.begin(), flags.end(), is_it) ? 2 : 1;
  }
  return std::min(at, words.size());
}

// The command whose name is the next words: two of them where there is such a one.
Asked Find(std::span<const std::string_view> words, const std::vector<Command>& commands) {
  const size_t leading = LeadingFlags(words);
  Asked asked;
  for (const size_t count : {2U, 1U}) {
    if (leading + count > words.size() || asked.command != nullptr) continue;
    std::string name(words[leading]);
    if (count == 2) name += " " + std::string(words[leading + 1]);
    for (const Command& command : commands) {
      if (command.name != name) continue;
      asked.command = &command;
      asked.rest.assign(words.begin(), words.begin() + static_cast<ptrdiff_t>(leading));
      asked.rest.insert(asked.rest.end(), words.begin() + static_cast<ptrdiff_t>(leading + count),
                        words.end());
    }
  }
  return asked;
}

std::string NamesAt(std::span<const std::string_view> words) {
  std::string name;
  for (const std::string_view word : words.subspan(LeadingFlags(words))) {
    if (word.starts_with('-')) break;
    name += (name.empty() ? "" : " ") + std::string(word);
  }
  return name;
}

int Unknown(std::span<const std::string_view> words, const std::vector<Command>& commands,
            Output& out) {
  const std::string all = NamesAt(words);
  if (all.empty()) {
    out.Complain(std::string(words[0]) + ": is no flag here");
  } else {
    std::string name = all.substr(0, all.find(' '));
    const auto is_group = [&](const Command& command) {
      return command.name.starts_with(name + " ");
    };
    if (std::any_of(commands.begin(), commands.end(), is_group))
      name = all.substr(0, all.find(' ', name.size() + 1));
    // The first word may begin a name of two.
    std::vector<std::string_view> names;
    for (const Command& command : commands) {
      names.push_back(command.name);
      names.push_back(command.name.substr(0, command.name.find(' ')));
    }
    const std::string near = Nearest(name, names);
    out.Complain("there is no command \"" + name + "\"" +
                 (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
  }
  out.Say("\"" + out.program() + " help\" tells all commands");
  return kExitMisuse;
}

std::vector<app::Flag> FlagsOf(const Command& command) {
  std::vector<app::Flag> flags;
  for (const CommandFlag& flag : AllFlags(command))
    flags.push_back({flag.name, flag.value, flag.letter, flag.repeats});
  return flags;
}

int Refused(const Command& command, Output& out, const Refusal& refusal) {
  std::string line = refusal.ToString();
  std::vector<std::string_view> names;
  for (const CommandFlag& flag : AllFlags(command)) names.push_back(flag.name);
  const bool unknown = refusal.why == "is no flag here";
  const std::string near = unknown ? Nearest(refusal.field, names) : "";
  if (!near.empty()) line += "; did you mean " + near + "?";
  out.Complain(line);
  out.Say("\"" + out.program() + " help " + std::string(command.name) + "\" tells the usage");
  return kExitMisuse;
}

struct ClusterRun {
  const Command& command;
  const Context& context;
  const kube::ClusterAccess& access;
  std::chrono::milliseconds timeout;
};

Task<int> AskCluster(const ClusterRun& run, StopToken stop) {
  Cluster cluster(run.access, run.context.arguments.Value("--namespace"));
  int status = 0;
  if (run.timeout.count() == 0) {
    status = co_await run.command.ask(run.context, cluster, stop);
  } else {
    TimedStop timed(stop, run.timeout, Reason::kTimeout);
    status = co_await run.command.ask(run.context, cluster, timed.token());
  }
  co_await cluster.Shutdown();
  co_return status;
}

Task<Result<void, Refusal>> Serve(const ClusterRun& run, int& status, StopToken stop) {
  status = co_await AskCluster(run, stop);
  co_return Result<void, Refusal>();
}

int RunOnLoop(const Command& command, const Context& context) {
  std::chrono::milliseconds timeout = command.timeout;
  if (context.arguments.Has("--timeout")) {
    const auto given = app::ParseDuration(context.arguments.Value("--timeout"));
    if (!given || given->count() == 0)
      return context.Misused({"--timeout", "is not a duration such as 30s"});
    timeout = *given;
  }
  const Decoded<kube::ClusterAccess> access =
      FindCluster(context.arguments.Value("--kubeconfig"), context.arguments.Value("--context"),
                  context.environment);
  if (!access.ok()) return context.Misused(access.error());
  for (const std::string& space : {context.arguments.Value("--namespace"), access->name_space}) {
    if (!space.empty() && !kube::IsDnsLabel(space))
      return context.Misused({"--namespace", "is not the name of a namespace: " + space});
  }
  app::Process process({.program = "aquifer",
                        .scope = "aquifer",
                        .log_levels = obs::LevelFilter(obs::Level::kError)});
  const ClusterRun run{command, context, *access, timeout};
  int status = 0;
  const int started = process.Run([&](StopToken stop) { return Serve(run, status, stop); });
  return started == 0 ? status : started;
}

int RunCommand(const Command& command, std::span<const std::string_view> rest,
               const Environment& environment, Output& out) {
  const std::vector<app::Flag> flags = FlagsOf(command);
  const Decoded<app::Arguments> arguments = app::Arguments::Parse(rest, flags);
  if (!arguments.ok()) return Refused(command, out, arguments.error());
  for (const std::string& word : arguments->plain()) {
    if (word.size() > 1 && word[0] == '-') return Refused(command, out, {word, "is no flag here"});
  }
  if (arguments->plain().size() > command.max_words)
    return Refused(command, out, {arguments->plain()[command.max_words], "is one word too many"});
  const Context context{*arguments, out, environment};
  const bool alone =
      command.ask == nullptr || (!command.offline.empty() && arguments->Has(command.offline));
  return alone ? command.run(context) : RunOnLoop(command, context);
}

}  // namespace

int Context::Failed(std::string_view why) const {
  out.Complain(why);
  return kExitBad;
}

int Context::Misused(const Refusal& what) const {
  out.Complain(what.ToString());
  return kExitMisuse;
}

int Dispatch(std::span<const std::string_view> words, const std::vector<Command>& commands,
             const Environment& environment, Output& out) {
  static constexpr std::array<std::string_view, 1> kVersion = {"version"};
  if (words.size() == 1 && words[0] == "--version") words = kVersion;
  const bool help = !words.empty() && words[0] == "help";
  if (help) words = words.subspan(1);
  const Asked asked = Find(words, commands);
  const std::string name = NamesAt(words);
  if (asked.command == nullptr) {
    const std::string text = HelpOfGroup(name, commands, out.program());
    const bool wanted = help || WantsHelp(words);
    if (text.empty() || !(wanted || words.empty() || !name.empty()))
      return Unknown(words, commands, out);
    if (!wanted) {
      // A group's name alone, or nothing: the usage is what was wrong.
      out.Complain(words.empty() ? "which command?" : "which of \"" + name + "\"?");
    }
    out.Write(text);
    return wanted ? 0 : kExitMisuse;
  }
  if (help || WantsHelp(asked.rest)) {
    out.Write(HelpOf(*asked.command, out.program()));
    return 0;
  }
  return RunCommand(*asked.command, asked.rest, environment, out);
}

}  // namespace aquifer::cli
