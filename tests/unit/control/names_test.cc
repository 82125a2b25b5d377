#include "control/names.h"

#include "tests/support/catch.h"

namespace aquifer::control {

TEST_CASE("a DNS label has lower case letters, digits and inner dashes") {
  for (const char* good : {"a", "httpbin", "a-b", "0", "x1"}) CHECK(IsDnsLabel(good));
  for (const char* bad : {"", "-a", "a-", "A", "a.b", "a_b", "\xc3\xa4"})
    CHECK_FALSE(IsDnsLabel(bad));
  CHECK(IsDnsLabel(std::string(63, 'a')));
  CHECK_FALSE(IsDnsLabel(std::string(64, 'a')));
}

TEST_CASE("an object name is labels joined by dots") {
  for (const char* good : {"a", "a.b", "istio.io-x.y"}) CHECK(IsDnsSubdomain(good));
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a/b", "a b"})
    CHECK_FALSE(IsDnsSubdomain(bad));
  CHECK_FALSE(IsDnsSubdomain(std::string(254, 'a')));
}

TEST_CASE("a host name may start with a wildcard label and is never an address") {
  for (const char* good : {"a.example.com", "*.example.com", "localhost"}) CHECK(IsHostname(good));
  for (const char* bad : {"", "*", "*.", "a.*.com", "*a.com", "10.0.0.1", "A.com", "a.com:80"})
    CHECK_FALSE(IsHostname(bad));
}

TEST_CASE("a path that could mean two resources is not matchable") {
  for (const char* good : {"/", "/a", "/a/", "/a%20b", "/a;b=c", "/status/418"})
    CHECK(IsMatchablePath(good));
  for (const char* bad : {"", "a", "//", "/a//b", "/a/./b", "/a/../b", "/a/..", "/a/.", "/a%2fb",
                          "/a%2Fb", "/a#b", "/a?b", "/a b", "/%", "/%4", "/%zz"}) {
    CHECK_FALSE(IsMatchablePath(bad));
  }
}

TEST_CASE("durations are GEP-2257's") {
  CHECK(ParseDuration("0s") == 0);
  CHECK(ParseDuration("500ms") == 500);
  CHECK(ParseDuration("1h30m") == 5'400'000);
  CHECK(ParseDuration("99999h99999m99999s99999ms").has_value());
  for (const char* bad :
       {"", "1", "s", "1.5s", "-1s", "100000s", "1d", "1s1s1s1s1s", " 1s", "1s "}) {
    CHECK_FALSE(ParseDuration(bad).has_value());
  }
}

TEST_CASE("timestamps are RFC 3339 in UTC") {
  CHECK(ParseTimestamp("1970-01-01T00:00:00Z") == 0);
  CHECK(ParseTimestamp("2024-05-31T09:24:56Z") == 1'717'147'496);
  CHECK(ParseTimestamp("2000-02-29T23:59:59.123456Z") == 951'868'799);
  for (const char* bad : {"", "2024-05-31", "2024-05-31T09:24:56", "2024-13-31T09:24:56Z",
                          "2024-05-31T24:24:56Z", "2024-05-31 09:24:56Z", "x024-05-31T09:24:56Z"}) {
    CHECK_FALSE(ParseTimestamp(bad).has_value());
  }
}

TEST_CASE("header names are tokens") {
  for (const char* good : {"x-foo", "X", "a!b"}) CHECK(IsHttpToken(good));
  for (const char* bad : {"", "a b", "a:b", "a\r", "(", "\xff"}) CHECK_FALSE(IsHttpToken(bad));
}

TEST_CASE("label values are what the API server takes") {
  for (const char* good : {"", "a", "A.b-c_d", "v1"}) CHECK(IsLabelValue(good));
  for (const char* bad : {"-a", "a-", "a b", "a/b", "*", "\xc3\xa4"})
    CHECK_FALSE(IsLabelValue(bad));
  CHECK_FALSE(IsLabelValue(std::string(64, 'a')));
}

TEST_CASE("a time is written as it is read") {
  for (const char* time : {"1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2026-11-21T09:05:07Z"})
    CHECK(FormatTimestamp(*ParseTimestamp(time)) == time);
}

}  // namespace aquifer::control
