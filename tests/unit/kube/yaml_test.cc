#include "kube/yaml.h"

#include <string>

#include "kube/yaml_scalar.h"
#include "tests/support/catch.h"

namespace aquifer::kube {
namespace {

Json ValueOf(std::string_view text) {
  const auto documents = ReadYaml(text, {});
  REQUIRE(documents.size() == 1);
  if (!documents[0].value.ok()) FAIL(documents[0].value.error().ToString());
  return *documents[0].value;
}

std::string WhyNot(std::string_view text, const YamlLimits& limits = {}) {
  const auto documents = ReadYaml(text, limits);
  REQUIRE(documents.size() == 1);
  return documents[0].value.ok() ? "" : documents[0].value.error().ToString();
}

}  // namespace

TEST_CASE("plain scalars have the types that kubectl gives them") {
  const Json value = ValueOf(
      "{a: 1, b: '1', c: true, d: yes, e: \"yes\", f: null, g: ~, h: 1.5, i: text, j: 0x10, k: "
      "010, l: -3}");
  CHECK(value == Json{{"a", 1},
                      {"b", "1"},
                      {"c", true},
                      {"d", true},
                      {"e", "yes"},
                      {"f", nullptr},
                      {"g", nullptr},
                      {"h", 1.5},
                      {"i", "text"},
                      {"j", 16},
                      {"k", 8},
                      {"l", -3}});
}

TEST_CASE("text that only looks like a number stays text") {
  for (const char* text : {"1.2.3", "10.0.0.1", "1e", "0x", "-", "+", ".", "1-2",
                           "99999999999999999999x", "--1", "0x-1"}) {
    CHECK(PlainScalar(text) == Json(text));
  }
}

TEST_CASE("block and flow styles, block scalars and comments are read") {
  const Json value =
      ValueOf("# comment\nspec:\n  list:\n  - a\n  - {b: c}\n  text: |\n    one\n    two\n");
  CHECK(value == Json{{"spec", {{"list", {"a", {{"b", "c"}}}}, {"text", "one\ntwo\n"}}}});
}

TEST_CASE("documents are counted and empty ones are left out") {
  const auto documents =
      ReadYaml("# head\n---\na: 1\n---\n# nothing\n---\n\n--- # b\nb: 2\n...\n---\nc: 3", {});
  REQUIRE(documents.size() == 3);
  CHECK(documents[0].line == 2);
  CHECK(*documents[0].value == Json{{"a", 1}});
  CHECK(documents[1].number == 2);
  CHECK(*documents[1].value == Json{{"b", 2}});
  CHECK(documents[2].line == 11);
  CHECK(*documents[2].value == Json{{"c", 3}});
}

TEST_CASE("a separator inside a block scalar still ends the document") {
  const auto documents = ReadYaml("a: |\n  x\n---\nb: 1\n", {});
  REQUIRE(documents.size() == 2);
  CHECK(*documents[0].value == Json{{"a", "x\n"}});
}

TEST_CASE("a broken document does not take its neighbours with it, and names its line") {
  const auto documents = ReadYaml("a: 1\n---\nb: [1\n---\nc: 3\n", {});
  REQUIRE(documents.size() == 3);
  CHECK(documents[0].value.ok());
  REQUIRE_FALSE(documents[1].value.ok());
  CHECK(documents[1].value.error().field.starts_with("line "));
  CHECK(documents[2].value.ok());
}

TEST_CASE("aliases are expanded") {
  CHECK(ValueOf("a: &x {b: [1, 2]}\nc: *x\nd: [*x]\n") ==
        Json{{"a", {{"b", {1, 2}}}}, {"c", {{"b", {1, 2}}}}, {"d", {{{"b", {1, 2}}}}}});
}

TEST_CASE("nested aliases cannot multiply beyond the budget of values") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j == 0 ? "" : ", ") + before;
    bomb += "]\n";
  }
  CHECK(WhyNot(bomb).find("more than 20000 values") != std::string::npos);
}

TEST_CASE("depth is bounded, through aliases too") {
  YamlLimits limits;
  limits.depth = 5;
  CHECK(WhyNot("[[[[[1]]]]]", limits).empty());
  CHECK(WhyNot("[[[[[[1]]]]]]", limits).find("nested deeper") != std::string::npos);
  CHECK(WhyNot("a: &x [[[1]]]\nb: [*x]\n", limits).empty());
  CHECK(WhyNot("a: &x [[[1]]]\nb: [[*x]]\n", limits).find("nested deeper") != std::string::npos);
}

TEST_CASE("a thousand brackets are refused, not followed") {
  CHECK_FALSE(WhyNot(std::string(100'000, '[')).empty());
  CHECK_FALSE(WhyNot(std::string(100'000, '{')).empty());
}

TEST_CASE("what a reader could misread is refused") {
  CHECK(WhyNot("a: 1\na: 2\n").find("\"a\" is there twice") != std::string::npos);
  CHECK(WhyNot("a: &x 1\nb:\n  <<: *x\n").find("merge keys") != std::string::npos);
  CHECK(WhyNot("? [a]\n: 1\n").find("key of a mapping") != std::string::npos);
  CHECK(WhyNot("~: 1\n").find("key of a mapping") != std::string::npos);
  CHECK(WhyNot("a: !!binary aGk=\n").find("tag") != std::string::npos);
  CHECK(WhyNot("a: !foo {b: 1}\n").find("tag") != std::string::npos);
  CHECK(WhyNot("a: *nowhere\n") != "");
  CHECK(WhyNot("a: &x [*x]\n").find("alias") != std::string::npos);
  CHECK(WhyNot("{a: 1} {b: 2}\n") != "");
  CHECK(WhyNot("a: \xff\xfe\n").find("UTF-8") != std::string::npos);
  CHECK(WhyNot("a:\tb\n\t- c\n") != "");
}

TEST_CASE("text, documents and values are bounded") {
  YamlLimits limits;
  limits.text_bytes = 10;
  CHECK(WhyNot("a: 1234567890", limits).find("larger than 10 bytes") != std::string::npos);
  limits = {};
  limits.document_bytes = 10;
  CHECK(ReadYaml("a: 1234567890\n---\nb: 1\n", limits)[1].value.ok());
  limits = {};
  limits.documents = 2;
  CHECK(ReadYaml("a: 1\n---\nb: 1\n---\nc: 1\n---\nd: 1\n", limits).size() == 3);
  limits = {};
  limits.nodes = 3;
  CHECK(WhyNot("[1, 2, 3]", limits).find("more than 3 values") != std::string::npos);
}

TEST_CASE("a text cut at any byte is read or refused, and never believed beyond its end") {
  const std::string text =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: &l {x: \"y\"}}\nspec: *l\n---\n- "
      "'a'\n- |\n  b\n";
  for (size_t cut = 0; cut <= text.size(); ++cut)
    CHECK(ReadYaml(text.substr(0, cut), {}).size() <= 2);
}

TEST_CASE("bytes that are not UTF-8 are found") {
  for (const char* good : {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"})
    CHECK(IsUtf8(good));
  for (const char* bad : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf5\x80\x80\x80", "\xf0\x9f\x98", "\xff"}) {
    CHECK_FALSE(IsUtf8(bad));
  }
}

TEST_CASE("foreign text in a message is short and printable") {
  CHECK(PrintableText("a\nb\x1b[0m\"") == "a?b?[0m?");
  CHECK(PrintableText(std::string(100, 'x')) == std::string(64, 'x') + "...");
}

}  // namespace aquifer::kube
