#include "core/app/arguments.h"

#include <array>

#include "tests/support/catch.h"

namespace aquifer::app {
namespace {

using Words = std::vector<std::string_view>;

constexpr std::array<Flag, 2> kFlags = {{{"--manifests", "DIR"}, {"--check", ""}}};

Decoded<Arguments> Parse(const Words& words) { return Arguments::Parse(words, kFlags); }

std::string WhyNot(const Words& words) {
  const auto arguments = Parse(words);
  return arguments.ok() ? "" : arguments.error().ToString();
}

}  // namespace

TEST_CASE("flags are read joined or apart, with plain words between") {
  const auto arguments = Parse({"agent", "--manifests", "m", "--check", "-x"});
  REQUIRE(arguments.ok());
  CHECK(arguments->Value("--manifests") == "m");
  CHECK(arguments->Has("--check"));
  CHECK(arguments->plain() == std::vector<std::string>{"agent", "-x"});
  CHECK(Parse({"--manifests=a=b"})->Value("--manifests") == "a=b");
}

TEST_CASE("a flag that is not given has the value for that") {
  const auto arguments = Parse({});
  REQUIRE(arguments.ok());
  CHECK_FALSE(arguments->Has("--manifests"));
  CHECK(arguments->Value("--manifests", "m") == "m");
}

TEST_CASE("a flag that cannot be used is named") {
  CHECK(WhyNot({"--manifest", "m"}) == "--manifest: is no flag here");
  CHECK(WhyNot({"--manifests"}) == "--manifests: needs DIR");
  CHECK(WhyNot({"--manifests="}) == "--manifests: needs DIR");
  CHECK(WhyNot({"--manifests", ""}) == "--manifests: needs DIR");
  CHECK(WhyNot({"--check=1"}) == "--check: takes no value");
  CHECK(WhyNot({"--check", "--check"}) == "--check: is given twice");
}

}  // namespace aquifer::app
