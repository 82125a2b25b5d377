#include "mesh/regex.h"

#include <re2/re2.h>

namespace aquifer::mesh {
namespace {

re2::RE2::Options CompileOptions() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_never_capture(true);
  // Program and lazily built automaton together; when it runs out RE2 gets slower, not larger.
  options.set_max_mem(1 << 20);
  return options;
}

RegexProblem TooLarge() {
  return {"compiles to more than " + std::to_string(kMaxRegexInstructions) + " instructions", true};
}

}  // namespace

Result<std::shared_ptr<const re2::RE2>, RegexProblem> CompileRegex(std::string_view pattern) {
  if (pattern.size() > kMaxRegexBytes) {
    return RegexProblem{"is longer than " + std::to_string(kMaxRegexBytes) + " bytes", true};
  }
  auto program = std::make_shared<const re2::RE2>(pattern, CompileOptions());
  if (program->error_code() == re2::RE2::ErrorPatternTooLarge) return TooLarge();
  if (!program->ok())
    return RegexProblem{"is not a regular expression of RE2: " + program->error()};
  if (program->ProgramSize() > kMaxRegexInstructions) return TooLarge();
  return program;
}

}  // namespace aquifer::mesh
