// What a command of the program is: its words, what is told about it, its flags, and the function
// that does it. The table of all is in cli/commands.cc; help and completion are made from it.
// Values; one thread.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output.h"
#include "core/app/arguments.h"
#include "core/app/program.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer::cli {

class Cluster;

// Exit statuses beside 0, which says that all is well.
inline constexpr int kExitBad = app::kExitFailed;     // something bad was found, or it failed
inline constexpr int kExitMisuse = app::kExitMisuse;  // a flag, a word, a file's content

struct CommandFlag {
  std::string_view name;     // "--file"
  std::string_view value;    // "FILE", "table|json|yaml"; empty: it takes none
  std::string_view summary;  // one line
  char letter = 0;
  bool repeats = false;
};

// What a command is given. References outlive it.
struct Context {
  const app::Arguments& arguments;
  Output& out;
  // The value of an environment variable, if it is set.
  const std::function<std::optional<std::string>(const char* name)>& environment;

  // These tell what is wrong on standard error and return the exit status.
  int Failed(std::string_view why) const;
  int Misused(const Refusal& what) const;
};

struct Command {
  std::string_view name;     // one word or two: "version", "policy why"
  std::string_view summary;  // one line without a full stop
  std::string_view words;    // what stands behind the name, such as "POD..."; may be empty
  std::string_view details;  // further lines of its help; may be empty
  std::vector<CommandFlag> flags;
  size_t max_words = 0;  // behind the name

  // One of the two, or both where `offline` names a flag with which nobody is asked. What asks a
  // cluster runs on a Loop and has the flags of ClusterFlags as well; its Cluster is made from them
  // and has dialled nothing yet. `stop` comes with SIGINT and, as Reason::kTimeout, at the end of
  // --timeout.
  int (*run)(const Context& context) = nullptr;
  Task<int> (*ask)(const Context& context, Cluster& cluster, StopToken stop) = nullptr;
  std::string_view offline;
  // Of the whole command where --timeout is not given; zero: for as long as it lasts.
  std::chrono::seconds timeout{60};
};

// Flags that commands share.
inline constexpr CommandFlag kOutputFlag = {"--output", "table|json|yaml", "how it is written",
                                            'o'};
inline constexpr CommandFlag kAllNamespacesFlag = {"--all-namespaces", "", "in every namespace",
                                                   'A'};
inline constexpr CommandFlag kFileFlag = {"--filename", "FILE|-",
                                          "what is read; - is standard input", 'f', true};

}  // namespace aquifer::cli
