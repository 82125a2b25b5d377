#include "core/obs/level_filter.h"

#include "tests/support/catch.h"

namespace aquifer::obs {
namespace {

LevelFilter Parsed(std::string_view directives) {
  auto filter = LevelFilter::Parse(directives);
  REQUIRE(filter.ok());
  return *filter;
}

TEST_CASE("without directives everything from info on is written") {
  CHECK(Parsed("").For("xds") == Level::kInfo);
}

TEST_CASE("a directive for a scope changes that scope alone") {
  const LevelFilter filter = Parsed("warn,xds=debug,hbone=trace");
  CHECK(filter.For("xds") == Level::kDebug);
  CHECK(filter.For("hbone") == Level::kTrace);
  CHECK(filter.For("access") == Level::kWarn);
  CHECK(filter.lowest() == Level::kTrace);
  CHECK(filter.highest() == Level::kWarn);
}

TEST_CASE("a colon separates scope and level as well") {
  CHECK(Parsed("xds:debug") == Parsed("xds=debug"));
  CHECK(Parsed("xds::client:debug") == Parsed("xds::client=debug"));
}

TEST_CASE("a scope alone is written whole") {
  CHECK(Parsed("warn,xds::client").For("xds::client") == Level::kTrace);
}

TEST_CASE("levels are read in any case and with blanks around directives") {
  CHECK(Parsed(" WARN , access=Off,") == Parsed("warn,access=off"));
}

TEST_CASE("a directive holds for the scopes below, and the longest one wins") {
  const LevelFilter filter = Parsed("xds::client=trace,xds=debug");
  CHECK(filter.For("xds::client") == Level::kTrace);
  CHECK(filter.For("xds::server") == Level::kDebug);
  CHECK(filter.For("xdsx") == Level::kInfo);
}

TEST_CASE("the last directive for a scope wins") {
  CHECK(Parsed("xds=debug,xds=error") == Parsed("xds=error"));
}

TEST_CASE("what is printed reads as the same filter") {
  const LevelFilter filter = Parsed("warn,xds=debug,access=off");
  CHECK(filter.ToString() == "warn,xds=debug,access=off");
  CHECK(Parsed(filter.ToString()) == filter);
}

TEST_CASE("an unknown level is refused by its directive") {
  const auto filter = LevelFilter::Parse("info,xds=loud");
  REQUIRE_FALSE(filter.ok());
  CHECK(filter.error().field == "xds=loud");
}

TEST_CASE("a scope that is no name is refused") {
  for (const char* directives : {"=debug", "a b=debug", "a\n=debug", "\u00e9=debug"}) {
    CHECK_FALSE(LevelFilter::Parse(directives).ok());
  }
  CHECK_FALSE(LevelFilter::Parse(std::string(LevelFilter::kMaxScopeBytes + 1, 'a') + "=info").ok());
}

TEST_CASE("the number of scopes is bounded") {
  std::string directives;
  for (size_t i = 0; i < LevelFilter::kMaxDirectives; ++i)
    directives += "s" + std::to_string(i) + "=info,";
  CHECK(LevelFilter::Parse(directives).ok());
  CHECK_FALSE(LevelFilter::Parse(directives + "more=info").ok());
}

}  // namespace
}  // namespace aquifer::obs
