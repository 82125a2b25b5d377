#include "core/base/reason.h"

#include <set>

#include "core/base/result.h"
#include "tests/support/catch.h"

namespace aquifer {

TEST_CASE("every reason has a word of its own, a response flag and a text") {
  std::set<std::string_view> words;
  for (int i = 0; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    CHECK(words.insert(ReasonWord(reason)).second);
    CHECK_FALSE(ResponseFlag(reason).empty());
    CHECK_FALSE(Describe(Error{reason}).empty());
  }
}

TEST_CASE("AQ_TRY gives the value or leaves with the error") {
  const auto twice = [](Result<int> in) -> Result<int> {
    AQ_TRY(const int value, in);
    return value * 2;
  };
  CHECK(*twice(4) == 8);
  CHECK(twice(Error{Reason::kLoop}).error().reason == Reason::kLoop);
}

}  // namespace aquifer
