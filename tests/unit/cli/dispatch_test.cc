#include "cli/dispatch.h"

#include "cli/cluster.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/nearest.h"
#include "tests/support/catch.h"
#include "tests/unit/cli/support.h"

namespace aquifer::cli {
namespace {

using Words = std::vector<std::string_view>;

// Tells what it was given.
int Tell(const Context& context) {
  std::string line = "told " + context.arguments.Value("--colour", "-");
  for (const std::string& word : context.arguments.plain()) line += " " + word;
  context.out.Write(line + "\n");
  return 0;
}

Task<int> AskNothing(const Context& context, Cluster& cluster, StopToken) {
  context.out.Write("asked for " + cluster.name_space() + " at " + cluster.address() + "\n");
  co_return 1;
}

const std::vector<Command>& Table() {
  static const std::vector<Command> table = {
      {.name = "tell",
       .summary = "tells it",
       .words = "WORD",
       .flags = {{"--colour", "red|green", "of it", 'c'}},
       .max_words = 1,
       .run = &Tell},
      {.name = "policy why", .summary = "why it is so", .ask = &AskNothing},
      {.name = "policy tell", .summary = "the same as tell", .run = &Tell},
      {.name = "policy both",
       .summary = "with a cluster or without",
       .flags = {{"--manifests", "DIR", "instead of a cluster"}, {"--colour", "red", "of it"}},
       .run = &Tell,
       .ask = &AskNothing,
       .offline = "--manifests"},
  };
  return table;
}

std::optional<std::string> NoEnvironment(const char*) { return std::nullopt; }

struct Ran {
  int status = 0;
  std::string text;
  std::string errors;
};

Ran RunWords(const Words& words, const Environment& environment = &NoEnvironment) {
  Captured captured;
  const int status = Dispatch(words, Table(), environment, captured.out);
  return {status, captured.text(), captured.errors()};
}

}  // namespace

TEST_CASE("a command is found by one word or two and gets the words and flags behind") {
  CHECK(RunWords({"tell", "-c", "red", "it"}).text == "told red it\n");
  CHECK(RunWords({"policy", "tell"}).text == "told -\n");
  CHECK(RunWords({"tell"}).status == 0);
}

TEST_CASE("an unknown command names the nearest and is misuse") {
  const Ran ran = RunWords({"tlel"});
  CHECK(ran.status == kExitMisuse);
  CHECK(ran.text.empty());
  CHECK(ran.errors ==
        "aquifer: there is no command \"tlel\"; did you mean \"tell\"?\n"
        "\"aquifer help\" tells all commands\n");
  CHECK(RunWords({"policy", "wyh"})
            .errors.starts_with(
                "aquifer: there is no command \"policy wyh\"; did you mean \"policy why\"?"));
  CHECK(RunWords({"xylophone"}).errors.starts_with("aquifer: there is no command \"xylophone\"\n"));
}

TEST_CASE("an unknown flag names the nearest and is misuse") {
  const Ran ran = RunWords({"tell", "--color=red"});
  CHECK(ran.status == kExitMisuse);
  CHECK(ran.errors ==
        "aquifer: --color: is no flag here; did you mean --colour?\n"
        "\"aquifer help tell\" tells the usage\n");
  CHECK(RunWords({"tell", "-z"}).errors.starts_with("aquifer: -z: is no flag here"));
  CHECK(RunWords({"tell", "a", "b"}).errors.starts_with("aquifer: b: is one word too many"));
}

TEST_CASE("a group of commands alone is told, and is misuse unless help was asked for") {
  const Ran alone = RunWords({"policy"});
  CHECK(alone.status == kExitMisuse);
  CHECK(alone.text.find("policy why") != std::string::npos);
  CHECK(alone.text.find("\n  tell") == std::string::npos);
  CHECK(RunWords({"help", "policy"}).status == 0);
  CHECK(RunWords({}).status == kExitMisuse);
  CHECK(RunWords({"help"}).status == 0);
  CHECK(RunWords({"--help"}).text == RunWords({"help"}).text);
}

TEST_CASE("help of a command names its flags, and those of a cluster where it asks one") {
  const std::string tell = RunWords({"help", "tell"}).text;
  CHECK(tell == RunWords({"tell", "--help"}).text);
  CHECK(tell.starts_with("aquifer tell WORD [FLAG]...\n\ntells it\n"));
  CHECK(tell.find("-c, --colour red|green") != std::string::npos);
  CHECK(tell.find("--kubeconfig") == std::string::npos);
  CHECK(RunWords({"help", "policy", "why"}).text.find("-n, --namespace NAME") != std::string::npos);
}

TEST_CASE("a command that asks a cluster says how to name one") {
  const Ran ran = RunWords({"policy", "why"});
  CHECK(ran.status == kExitMisuse);
  CHECK(ran.errors ==
        "aquifer: --kubeconfig: is needed: there is neither KUBECONFIG nor ~/.kube/config\n");
  CHECK(RunWords({"policy", "why", "--timeout", "soon"})
            .errors.starts_with("aquifer: --timeout: is not a duration"));
}

TEST_CASE("flags of a cluster may stand before the command") {
  const Environment in_pod = [](const char* name) -> std::optional<std::string> {
    const std::string_view asked = name;
    if (asked == "KUBERNETES_SERVICE_HOST") return "10.0.0.1";
    return std::nullopt;
  };
  // A context is one of a kubeconfig, so that the pod's own account is not taken.
  const Ran ran = RunWords({"-n", "shop", "--context=x", "policy", "why"}, in_pod);
  CHECK(ran.status == kExitMisuse);
  CHECK(ran.errors.starts_with("aquifer: --kubeconfig: is needed"));
}

TEST_CASE("the nearest name is one that is still alike") {
  const Words names = {"status", "install", "uninstall", "certs"};
  CHECK(Nearest("instal", names) == "install");
  CHECK(Nearest("unistall", names) == "uninstall");
  CHECK(Nearest("cert", names) == "certs");
  CHECK(Nearest("x", names).empty());
  CHECK(Nearest("", names).empty());
}

TEST_CASE("a command that asks a cluster can do without one where a flag says so") {
  CHECK(RunWords({"policy", "both", "--manifests", "x"}).text == "told -\n");
  CHECK(RunWords({"policy", "both"}).errors.starts_with("aquifer: --kubeconfig: is needed"));
}

TEST_CASE("every command of the program says what it is and has one function, or two and a flag") {
  for (const Command& command : Commands()) {
    INFO(command.name);
    CHECK_FALSE(command.summary.empty());
    CHECK_FALSE(command.summary.ends_with('.'));
    CHECK((command.run != nullptr && command.ask != nullptr) == !command.offline.empty());
    CHECK((command.run != nullptr || command.ask != nullptr));
    for (const CommandFlag& flag : AllFlags(command)) {
      INFO(flag.name);
      CHECK(flag.name.starts_with("--"));
      CHECK_FALSE(flag.summary.empty());
    }
  }
}

}  // namespace aquifer::cli
