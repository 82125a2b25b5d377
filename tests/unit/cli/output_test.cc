#include "cli/output.h"

#include "tests/support/catch.h"
#include "tests/unit/cli/support.h"

namespace aquifer::cli {

TEST_CASE("columns are as wide as their widest cell, counted in characters") {
  Captured captured;
  captured.out.Table({"NAME", "STATE"}, {{"a-long-name", "ok"},
                                         {"gr\xc3\xbc\xc3\x9f"
                                          "e",
                                          "no"}});
  CHECK(captured.text() ==
        "NAME          STATE\n"
        "a-long-name   ok\n"
        "gr\xc3\xbc\xc3\x9f"
        "e         no\n");
}

TEST_CASE("colours are written only where they are wanted") {
  Captured plain;
  plain.out.Line({{"bad", Colour::kBad}, " thing"});
  CHECK(plain.text() == "bad thing\n");
  Captured coloured(true);
  coloured.out.Line({{"bad", Colour::kBad}, " thing"});
  CHECK(coloured.text() == "\x1b[31mbad\x1b[0m thing\n");
}

TEST_CASE("foreign text cannot steer a terminal") {
  CHECK(Shown("a\x1b[2Jb\rc\nd") == "a [2Jb c d");
  CHECK(Shown("x\xc2\x9b"
              "1my") == "x??1my");
  CHECK(Shown("\xff\xfe") == "??");
  CHECK(Shown("gr\xc3\xbcn") == "gr\xc3\xbcn");
  // U+202E turns what follows around.
  CHECK(Shown("a\xe2\x80\xae"
              "b") == "a???b");
  CHECK(Shown("a\xe2\x80\x93"
              "b") ==
        "a\xe2\x80\x93"
        "b");
}

TEST_CASE("documents are separated in YAML and follow each other in JSON") {
  Captured yaml;
  yaml.out.Document({{"b", 1}}, Form::kYaml);
  yaml.out.Document({{"a", 2}}, Form::kYaml);
  CHECK(yaml.text() == "b: 1\n---\na: 2\n");
  Captured json;
  json.out.Document({{"b", 1}, {"a", 2}}, Form::kJson);
  CHECK(json.text() == "{\n  \"b\": 1,\n  \"a\": 2\n}\n");
}

TEST_CASE("a document holds nothing that a terminal obeys, and reads back as the same") {
  const OrderedJson value = {{"a",
                              "\x1b[2J \xc2\x9b"
                              "1m \x7f \xe2\x80\xae \xc3\xbc"}};
  Captured json;
  json.out.Document(value, Form::kJson);
  CHECK(json.text() == "{\n  \"a\": \"\\u001b[2J \\u009b1m \\u007f \\u202e \xc3\xbc\"\n}\n");
  CHECK(OrderedJson::parse(json.text()) == value);
}

TEST_CASE("the form of an answer is one of three") {
  CHECK(*ReadForm("") == Form::kTable);
  CHECK(*ReadForm("yaml") == Form::kYaml);
  CHECK(ReadForm("xml").error().ToString() == "--output: is none of table, json and yaml");
}

}  // namespace aquifer::cli
