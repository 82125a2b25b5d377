#include "waypoint/string_pattern.h"

#include "tests/support/catch.h"

namespace aquifer::waypoint {
namespace {

bool Matches(const char* pattern, const char* text) {
  return StringPattern::Parse(pattern).Matches(text);
}

TEST_CASE("a star at the end is a prefix, at the start a suffix, alone presence") {
  CHECK(Matches("/a*", "/a"));
  CHECK(Matches("/a*", "/ab/c"));
  CHECK_FALSE(Matches("/a*", "/b"));
  CHECK(Matches("*/a", "/x/a"));
  CHECK_FALSE(Matches("*/a", "/a/x"));
  CHECK(Matches("*", "x"));
  CHECK_FALSE(Matches("*", ""));
  CHECK(Matches("/a", "/a"));
  CHECK_FALSE(Matches("/a", "/a/"));
  CHECK_FALSE(Matches("/a", "/A"));
}

TEST_CASE("a star inside is a plain character") {
  CHECK(Matches("a*b", "a*b"));
  CHECK_FALSE(Matches("a*b", "axb"));
  CHECK(Matches("*a*", "xa*"));
  CHECK_FALSE(Matches("*a*", "xay"));
}

TEST_CASE("host names compare without regard to case") {
  CHECK(StringPattern::Parse("A.example.COM").MatchesIgnoreCase("a.EXAMPLE.com"));
  CHECK(StringPattern::Parse("*.Example.com").MatchesIgnoreCase("x.exaMPLE.com"));
  CHECK(StringPattern::Parse("API.*").MatchesIgnoreCase("api.v1"));
  CHECK_FALSE(StringPattern::Parse("a.com").MatchesIgnoreCase("a.com:80"));
  CHECK_FALSE(StringPattern::Parse("*.example.com").MatchesIgnoreCase("com"));
}

}  // namespace
}  // namespace aquifer::waypoint
