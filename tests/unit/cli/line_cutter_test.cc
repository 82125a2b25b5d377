#include "cli/line_cutter.h"

#include "tests/support/catch.h"

namespace aquifer::cli {

using Lines = std::vector<std::string>;

TEST_CASE("lines come whole, however the stream is cut") {
  const std::string text = "one\n\ntwo\nrest";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    LineCutter cutter;
    Lines lines = cutter.Feed(text.substr(0, cut));
    for (std::string& line : cutter.Feed(text.substr(cut))) lines.push_back(std::move(line));
    CHECK(lines == Lines{"one", "", "two"});
    CHECK(cutter.Finish() == "rest");
    CHECK(cutter.Finish().empty());
  }
}

TEST_CASE("a line beyond the bound comes in parts") {
  LineCutter cutter(4);
  CHECK(cutter.Feed("abcdef\ngh") == Lines{"abcd", "ef"});
  CHECK(cutter.Finish() == "gh");
}

}  // namespace aquifer::cli
