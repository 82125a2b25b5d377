#include "waypoint/regex.h"

#include <re2/re2.h>

namespace aquifer::waypoint {

Decoded<Regex> Regex::Compile(std::string_view pattern, const std::string& field) {
  auto program = mesh::CompileRegex(pattern);
  if (!program.ok()) return Refusal{field, std::move(program).error().why};
  return Regex(*std::move(program));
}

bool Regex::Matches(std::string_view text) const { return re2::RE2::FullMatch(text, *program_); }

const std::string& Regex::pattern() const { return program_->pattern(); }

}  // namespace aquifer::waypoint
