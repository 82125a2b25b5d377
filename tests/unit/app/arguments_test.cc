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

TEST_CASE("a flag with a letter is read by it, joined or apart") {
  constexpr std::array<Flag, 2> flags = {
      {{.name = "--output", .value = "FORM", .letter = 'o'}, {.name = "--all", .letter = 'A'}}};
  const Words words = {"-o", "json", "-A", "-x", "-"};
  const auto apart = Arguments::Parse(words, flags);
  REQUIRE(apart.ok());
  CHECK(apart->Value("--output") == "json");
  CHECK(apart->Has("--all"));
  CHECK(apart->plain() == std::vector<std::string>{"-x", "-"});
  for (const std::string_view joined : {"-ojson", "-o=json"}) {
    CHECK(Arguments::Parse(Words{joined}, flags)->Value("--output") == "json");
  }
  CHECK(Arguments::Parse(Words{"-Ax"}, flags).error().ToString() == "-A: takes no value");
  CHECK(Arguments::Parse(Words{"-oa", "--output=b"}, flags).error().ToString() ==
        "--output: is given twice");
}

TEST_CASE("a flag that repeats keeps all its values in order") {
  constexpr std::array<Flag, 1> flags = {{{.name = "--set", .value = "K=V", .repeats = true}}};
  const auto given = Arguments::Parse(Words{"--set", "b=1", "--set=a=2"}, flags);
  REQUIRE(given.ok());
  CHECK(given->Values("--set") == std::vector<std::string>{"b=1", "a=2"});
  CHECK(given->Values("--other").empty());
}

}  // namespace aquifer::app
