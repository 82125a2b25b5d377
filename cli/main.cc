// aquifer, also as kubectl-aquifer: the program of operators. Joins the table of commands with the
// standard streams; nothing else.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/dispatch.h"

namespace aquifer::cli {
namespace {

std::string NameOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  const std::string_view file = slash == std::string_view::npos ? path : path.substr(slash + 1);
  return file.starts_with("kubectl-") ? "kubectl aquifer" : "aquifer";
}

void Put(std::FILE* file, std::string_view text) {
  std::ignore = std::fwrite(text.data(), 1, text.size(), file);
}

int Run(std::string_view path, const std::vector<std::string_view>& words) {
  const Environment environment = [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  const bool colours = ::isatty(STDOUT_FILENO) == 1 &&
                       environment("NO_COLOR").value_or("").empty() &&
                       environment("TERM").value_or("dumb") != "dumb";
  Output out(
      NameOf(path), [](std::string_view text) { Put(stdout, text); },
      [](std::string_view text) {
        // What was told before stays before, where both are one terminal.
        std::fflush(stdout);
        Put(stderr, text);
      },
      colours);
  // Lines of a log that is followed come out as they come in, into a pipe too.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  const int status = Dispatch(words, Commands(), environment, out);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  out.Complain("standard output cannot be written");
  return status == 0 ? kExitBad : status;
}

}  // namespace
}  // namespace aquifer::cli

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  return aquifer::cli::Run(argc > 0 ? argv[0] : "aquifer", words);
}
