#include "cli/completion.h"

#include "cli/commands.h"
#include "tests/support/catch.h"

namespace aquifer::cli {
namespace {

int Nothing(const Context&) { return 0; }

std::string ScriptFor(std::string_view shell) {
  const std::vector<Command> commands = {
      {.name = "status",
       .summary = "what is",
       .flags = {{"--output", "table|json", "how", 'o'}, {"--file", "FILE|-", "which"}},
       .run = &Nothing},
      {.name = "policy why", .summary = "why it's so", .run = &Nothing},
  };
  return CompletionScript(shell, commands);
}

}  // namespace

TEST_CASE("a script for bash and zsh knows commands, flags and closed values") {
  for (const std::string_view shell : {"bash", "zsh"}) {
    const std::string script = ScriptFor(shell);
    CHECK(script.find("found=(help status policy)") != std::string::npos);
    CHECK(script.find("--output|-o) found=(table json)") != std::string::npos);
    CHECK(script.find("--file) found=()") != std::string::npos);
    CHECK(script.find("*) found=(--output --file)") != std::string::npos);
    CHECK(script.find("\"policy \"|\"help policy \") found=(why)") != std::string::npos);
  }
}

TEST_CASE("a script for fish quotes what people wrote") {
  const std::string script = ScriptFor("fish");
  CHECK(script.find("-a why -d 'why it'\\''s so'") != std::string::npos);
  CHECK(script.find("-l output -s o -x -a 'table json' -d 'how'") != std::string::npos);
}

TEST_CASE("there is no script for a shell that nobody knows") { CHECK(ScriptFor("csh").empty()); }

}  // namespace aquifer::cli
