#include "core/base/parts.h"

#include "tests/support/catch.h"

namespace aquifer {
namespace {

std::size_t Fill(Parts& parts, const std::string& who) {
  std::size_t taken = 0;
  while (parts.TryTake(who)) ++taken;
  return taken;
}

}  // namespace

TEST_CASE("who is alone gets two thirds, and whoever comes after finds room") {
  Parts parts(24);
  CHECK(Fill(parts, "first") == 16);
  CHECK(Fill(parts, "second") == 6);
  CHECK(Fill(parts, "third") == 2);
  CHECK(Fill(parts, "fourth") == 0);
  // What one gives back goes to who has least.
  parts.Give("first");
  CHECK_FALSE(parts.TryTake("first"));
  CHECK_FALSE(parts.TryTake("second"));
  CHECK(parts.TryTake("fourth"));
}

TEST_CASE("what is given back can be taken again, and of nothing there are no parts") {
  Parts parts(3);
  CHECK(Fill(parts, "first") == 2);
  for (int i = 0; i < 2; ++i) parts.Give("first");
  CHECK(Fill(parts, "second") == 2);
  CHECK_FALSE(Parts(0).TryTake("first"));
}

}  // namespace aquifer
