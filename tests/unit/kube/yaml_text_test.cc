#include "kube/yaml_text.h"

#include "kube/yaml.h"
#include "tests/support/catch.h"

namespace aquifer::kube {
namespace {

// What is read from what is written.
OrderedJson Again(const OrderedJson& value) {
  const std::vector<YamlDocument> read = ReadYaml(WriteYaml(value), {});
  REQUIRE(read.size() == 1);
  INFO(WriteYaml(value));
  REQUIRE(read[0].value.ok());
  return *read[0].value;
}

}  // namespace

TEST_CASE("an object is written in its own order, as people write manifests") {
  const OrderedJson value = {
      {"kind", "Service"},
      {"apiVersion", "v1"},
      {"spec", {{"ports", {{{"port", 80}, {"name", "http"}}, {{"port", 443}}}}, {"none", nullptr}}},
      {"empty", OrderedJson::object()},
      {"list", OrderedJson::array()},
  };
  CHECK(WriteYaml(value) ==
        "kind: Service\n"
        "apiVersion: v1\n"
        "spec:\n"
        "  ports:\n"
        "  - port: 80\n"
        "    name: http\n"
        "  - port: 443\n"
        "  none: null\n"
        "empty: {}\n"
        "list: []\n");
}

TEST_CASE("text that a reader could take for something else is quoted") {
  for (const char* text :
       {"",      "true",       "Yes",  "null", "~",    "12",   "0x1f", "010", "1e3",  "1_000",
        "12:30", "2026-01-01", ".inf", "- a",  "a: b", "a #b", "#a",   "*a",  "&a",   "!a",
        "[a",    "{a",         "|",    ">",    "'a",   "\"a",  "%a",   "@a",  "`a",   "a ",
        " a",    "a:",         "---",  "...",  "?",    "<<",   "=",    "y",   "a\tb", "a\nb"}) {
    INFO(text);
    const OrderedJson value = {{"k", text}, {"l", {text}}};
    CHECK(Again(value) == OrderedJson(Json(value)));
    CHECK(WriteYaml({{"k", text}}).starts_with("k: \""));
  }
}

TEST_CASE("plain text stays plain") {
  for (const char* text : {"a", "a b", "a:b", "-a", "https://a/b?c=d#e", "a,b", "gr\xc3\xbcn"})
    CHECK(WriteYaml({{"k", text}}) == "k: " + std::string(text) + "\n");
}

TEST_CASE("lines of text are a block, and read back the same") {
  const OrderedJson value = {{"script", "one\n\n  two # 3\nthree: 4\n"}, {"after", 1}};
  CHECK(WriteYaml(value) ==
        "script: |\n"
        "  one\n"
        "\n"
        "    two # 3\n"
        "  three: 4\n"
        "after: 1\n");
  CHECK(Again(value)["script"] == value["script"]);
  for (const char* text :
       {"a\nb", "\na\n", " a\nb\n", "a\n\n", "a \nb\n", "a\tb\nc\n", "\n", "a\r\nb\n"}) {
    INFO(text);
    CHECK(Again({{"k", text}})["k"] == text);
    CHECK(Again({{"k", {text, text}}})["k"][1] == text);
    CHECK(Again(OrderedJson(text)) == text);
  }
}

TEST_CASE("control characters and separators of lines are escaped") {
  const std::string text = "a\x01\x7f\xc2\x85\xe2\x80\xa8\xef\xbb\xbf\"\\z";
  CHECK(WriteYaml(OrderedJson(text)) == "\"a\\u0001\\u007F\\u0085\\u2028\\uFEFF\\\"\\\\z\"\n");
  CHECK(Again(OrderedJson(text)) == text);
}

TEST_CASE("keys are written with the same care, however long they are") {
  const std::string long_key(2000, 'k');
  OrderedJson value = {{"true", 1}, {"a: b", 2}, {"12", 3}, {"", 4}};
  value[long_key] = {{"list", {1, 2}}};
  value[long_key + "2"] = {1, 2};
  value[long_key + "3"] = "text";
  CHECK(Json(Again(value)) == Json(value));
}

TEST_CASE("lists in lists and mappings in lists read back the same") {
  const OrderedJson value = {{"a", {{1, 2}, {{3}}, {{"b", {{"c", {4}}}}}, nullptr, 1.5, -7, true}}};
  CHECK(Json(Again(value)) == Json(value));
}

}  // namespace aquifer::kube
