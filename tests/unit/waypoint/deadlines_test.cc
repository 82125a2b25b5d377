#include "waypoint/deadlines.h"

#include "tests/support/catch.h"

namespace aquifer::waypoint {
namespace {

using std::chrono::milliseconds;

http::HeaderList GrpcTimeout(const std::string& value) {
  http::HeaderList headers;
  REQUIRE(headers.Add("grpc-timeout", value));
  return headers;
}

milliseconds WholeOf(const std::string& grpc_timeout, const RouteRule* rule = nullptr) {
  return DeadlinesOf(rule, GrpcTimeout(grpc_timeout), true).whole;
}

TEST_CASE("a service without routes has no deadline and two more tries") {
  const Deadlines deadlines = DeadlinesOf(nullptr, {}, false);
  CHECK(deadlines.whole.count() == 0);
  CHECK(deadlines.each.count() == 0);
  CHECK(deadlines.tries == 3);
  CHECK(deadlines.told().count() == 0);
}

TEST_CASE("a rule's timeouts and retries are taken over, and the longest is told") {
  RouteRule rule;
  rule.backend_request_timeout = milliseconds(100);
  rule.retry = Retry{.attempts = 5, .codes = {}};
  CHECK(DeadlinesOf(&rule, {}, false).told() == milliseconds(100));
  rule.request_timeout = milliseconds(300);
  const Deadlines deadlines = DeadlinesOf(&rule, {}, false);
  CHECK(deadlines.whole == milliseconds(300));
  CHECK(deadlines.each == milliseconds(100));
  CHECK(deadlines.told() == milliseconds(300));
  CHECK(deadlines.tries == 6);
}

TEST_CASE("grpc-timeout is read in every unit and never as nothing") {
  CHECK(WholeOf("2H") == std::chrono::hours(2));
  CHECK(WholeOf("2M") == std::chrono::minutes(2));
  CHECK(WholeOf("20m") == milliseconds(20));
  CHECK(WholeOf("2000u") == milliseconds(2));
  CHECK(WholeOf("1n") == milliseconds(1));
  CHECK(WholeOf("0m") == milliseconds(1));
}

TEST_CASE("grpc-timeout is at most seven days, which no clock runs over") {
  constexpr milliseconds kWeek = std::chrono::days(7);
  for (const char* const value : {"2562047H", "2562048H", "99999999H", "99999999M", "99999999S"}) {
    INFO(value);
    CHECK(WholeOf(value) == kWeek);
  }
  CHECK(WholeOf("168H") == kWeek);
  CHECK(WholeOf("167H") == std::chrono::hours(167));
}

TEST_CASE("what is no grpc-timeout is none") {
  for (const char* const value : {"", "1", "S", "1s", "123456789S", "-1S", "1.5S", "1 S"}) {
    INFO(value);
    CHECK(WholeOf(value).count() == 0);
  }
  CHECK(DeadlinesOf(nullptr, GrpcTimeout("1S"), false).whole.count() == 0);
}

TEST_CASE("grpc-timeout shortens the route's and does not lengthen it") {
  RouteRule rule;
  rule.request_timeout = milliseconds(300);
  CHECK(WholeOf("100m", &rule) == milliseconds(100));
  CHECK(WholeOf("1S", &rule) == milliseconds(300));
}

}  // namespace
}  // namespace aquifer::waypoint
