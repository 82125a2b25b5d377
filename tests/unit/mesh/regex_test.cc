#include "mesh/regex.h"

#include <re2/re2.h>

#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

// Empty for one that is taken, "large: " before what only is too large.
std::string ProblemOf(const std::string& pattern) {
  const auto compiled = CompileRegex(pattern);
  if (compiled.ok()) return "";
  return (compiled.error().too_large ? "large: " : "") + compiled.error().why;
}

}  // namespace

TEST_CASE("a regular expression is taken up to the bound of its bytes") {
  CHECK(ProblemOf("/a.*") == "");
  CHECK(ProblemOf(std::string(kMaxRegexBytes, 'a')) == "");
  CHECK(ProblemOf(std::string(kMaxRegexBytes + 1, 'a')) == "large: is longer than 1024 bytes");
}

TEST_CASE("a short pattern with a large program is too large") {
  const std::string five = "a{1000}b{1000}c{1000}d{1000}e{1000}";
  CHECK(ProblemOf(five) == "large: compiles to more than 4096 instructions");
  // Beyond what RE2 itself compiles in the memory it is given.
  CHECK(ProblemOf(five + five + five + five) == "large: compiles to more than 4096 instructions");
  CHECK(ProblemOf("a{1000}b{1000}") == "");
}

TEST_CASE("what is no regular expression is not called too large") {
  CHECK(ProblemOf("(") == "is not a regular expression of RE2: missing ): (");
}

}  // namespace aquifer::mesh
