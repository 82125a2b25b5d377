#include "core/app/program.h"

#include <cstdio>

#include "core/app/version.h"

namespace aquifer::app {
namespace {

int Print(const std::string& text) {
  return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? kExitFailed : 0;
}

int Complain(std::string_view program, const std::string& text, int status) {
  std::fprintf(stderr, "%s: %s\n", std::string(program).c_str(), text.c_str());
  return status;
}

}  // namespace

std::optional<int> Program::Answer(std::string_view word) const {
  if (word == "version" || word == "--version")
    return Print(std::string(name) + " " + std::string(Version()) + "\n");
  if (word == "help" || word == "--help" || word == "-h") return Print(std::string(help));
  return std::nullopt;
}

int Program::Failed(const std::string& why) const { return Complain(name, why, kExitFailed); }

int Program::Misused(const std::string& why) const {
  return Complain(name, why + "; \"" + std::string(name) + " help\" tells the usage", kExitMisuse);
}

int Program::Refused(const Refusal& setting) const {
  return Complain(name, setting.ToString(), kExitMisuse);
}

}  // namespace aquifer::app
