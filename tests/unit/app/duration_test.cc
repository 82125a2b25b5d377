#include "core/app/duration.h"

#include "tests/support/catch.h"

namespace aquifer::app {

using std::chrono::milliseconds;

TEST_CASE("a duration is a number and a unit, or several of them") {
  CHECK(ParseDuration("100ms") == milliseconds(100));
  CHECK(ParseDuration("10s") == milliseconds(10'000));
  CHECK(ParseDuration("5m") == milliseconds(300'000));
  CHECK(ParseDuration("2h") == milliseconds(7'200'000));
  CHECK(ParseDuration("1d") == milliseconds(86'400'000));
  CHECK(ParseDuration("1h30m") == milliseconds(5'400'000));
  CHECK(ParseDuration("30m1h") == milliseconds(5'400'000));
  CHECK(ParseDuration("1500us") == milliseconds(1));
  CHECK(ParseDuration("2000000ns") == milliseconds(2));
  CHECK(ParseDuration("0s") == milliseconds(0));
}

TEST_CASE("what is no duration is none, wherever it goes wrong") {
  for (const char* text : {"", "5", "s", "5 m", "5m ", "-5m", "+5m", "1.5h", "5x", "5min", "5mm5",
                           "5M", "0x5s", "99999999999999999999s"}) {
    INFO(text);
    CHECK_FALSE(ParseDuration(text).has_value());
  }
}

TEST_CASE("a duration is at most ten years, also in parts") {
  CHECK(ParseDuration("3650d").has_value());
  CHECK_FALSE(ParseDuration("3651d").has_value());
  CHECK_FALSE(ParseDuration("3650d1s").has_value());
  CHECK_FALSE(ParseDuration("18446744073709551615d").has_value());
}

}  // namespace aquifer::app
