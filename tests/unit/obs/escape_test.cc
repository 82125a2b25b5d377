#include "core/obs/escape.h"

#include "tests/support/catch.h"

namespace aquifer::obs {
namespace {

std::string Escaped(std::string_view text) {
  std::string out;
  AppendEscaped(out, text);
  return out;
}

std::string Json(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

std::string LabelText(std::string_view text) {
  std::string out;
  AppendLabelValue(out, text);
  return out;
}

TEST_CASE("text of every length of UTF-8 is left as it is") {
  const std::string_view text = "a\u00e9\u20ac\U0001F30A";
  CHECK(Escaped(text) == text);
  CHECK(LabelText(text) == text);
}

TEST_CASE("line ends and tabs cannot leave their value") {
  CHECK(Escaped("a\r\nb\tc") == "a\\r\\nb\\tc");
  CHECK(Json("a\r\nb\tc") == "\"a\\r\\nb\\tc\"");
}

TEST_CASE("terminal sequences are escaped, in one byte or two") {
  CHECK(Escaped("\x1b[2J") == "\\u{1b}[2J");
  CHECK(Escaped("\u009b2J") == "\\u{9b}2J");
  CHECK(Json("\x1b[2J") == "\"\\u001b[2J\"");
}

TEST_CASE("text that would run right to left is shown as it was written") {
  CHECK(Escaped("a\u202eb") == "a\\u{202e}b");
  CHECK(Json("a\u2066b") == "\"a\\u2066b\"");
}

TEST_CASE("a zero byte is not the end of a value") {
  CHECK(Escaped(std::string_view("a\0b", 3)) == "a\\u{0}b");
  CHECK(Json(std::string_view("a\0b", 3)) == "\"a\\u0000b\"");
}

TEST_CASE("bytes that are not UTF-8 are shown in logs and replaced for readers of UTF-8") {
  for (const std::string_view bad : {"\xff", "\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
                                     "\xf5\x80\x80\x80", "\xe2\x82"}) {
    std::string shown;
    std::string replaced;
    for (const char c : bad) {
      constexpr std::string_view kHex = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      shown += std::string("\\x") + kHex[byte >> 4] + kHex[byte & 0xF];
      replaced += "\xEF\xBF\xBD";
    }
    CHECK(Escaped(bad) == shown);
    CHECK(Json(bad) == '"' + replaced + '"');
    CHECK(LabelText(bad) == replaced);
  }
}

TEST_CASE("text is cut between code points") {
  const std::string_view text = "a\u20ac";
  CHECK(CutText(text, 4) == text);
  CHECK(CutText(text, 3) == "a");
  CHECK(CutText(text, 2) == "a");
  CHECK(CutText(text, 1) == "a");
  CHECK(CutText(text, 0).empty());
}

TEST_CASE("a label value escapes what OpenMetrics says and nothing else") {
  CHECK(LabelText("a\\b\"c\nd\te") == "a\\\\b\\\"c\\nd\te");
}

TEST_CASE("words that a reader could split or misread need quotes") {
  CHECK(IsPlainWord("10.0.0.1:80"));
  CHECK(IsPlainWord("spiffe://cluster.local/ns/a/sa/b"));
  for (const std::string_view text : {"", "a b", "a=b", "a\"b", "a\\b", "a\nb", "\u00e9"})
    CHECK_FALSE(IsPlainWord(text));
}

}  // namespace
}  // namespace aquifer::obs
