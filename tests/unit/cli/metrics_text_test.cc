#include "cli/metrics_text.h"

#include "tests/support/catch.h"

namespace aquifer::cli {

TEST_CASE("a sample is found by its whole name, whatever its labels") {
  const char* const text =
      "# TYPE a gauge\n"
      "a_more 1\n"
      "a{x=\"}\\\"} 5\",y=\"z\"} 2.5\n"
      "b  1.7e9 123\n"
      "c NaN\n"
      "d";
  CHECK(ReadSample(text, "a") == 2.5);
  CHECK(ReadSample(text, "a_more") == 1.0);
  CHECK(ReadSample(text, "b") == 1.7e9);
  CHECK_FALSE(ReadSample(text, "c").has_value());
  CHECK_FALSE(ReadSample(text, "d").has_value());
  CHECK_FALSE(ReadSample(text, "e").has_value());
  CHECK_FALSE(ReadSample("", "a").has_value());
  CHECK_FALSE(ReadSample("a{x=\"", "a").has_value());
}

}  // namespace aquifer::cli
