#include "waypoint/regex.h"

#include <re2/re2.h>

namespace aquifer::waypoint {
namespace {

re2::RE2::Options CompileOptions() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_never_capture(true);
  // Program and lazily built automaton together; when it runs out RE2 gets slower, not larger.
  options.set_max_mem(1 << 20);
  return options;
}

}  // namespace

Decoded<Regex> Regex::Compile(std::string_view pattern, const std::string& field) {
  if (pattern.size() > kMaxPatternBytes) {
    return Refusal{field, "regular expression is longer than 1024 bytes"};
  }
  auto program = std::make_shared<const re2::RE2>(pattern, CompileOptions());
  if (!program->ok()) return Refusal{field, "not a regular expression: " + program->error()};
  if (program->ProgramSize() > kMaxProgramSize) {
    return Refusal{field, "regular expression compiles to more than 4096 instructions"};
  }
  return Regex(std::move(program));
}

bool Regex::Matches(std::string_view text) const { return re2::RE2::FullMatch(text, *program_); }

const std::string& Regex::pattern() const { return program_->pattern(); }

}  // namespace aquifer::waypoint
