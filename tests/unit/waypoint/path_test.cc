#include "waypoint/path.h"

#include "tests/support/catch.h"

namespace aquifer::waypoint {
namespace {

struct Vector {
  const char* in;
  const char* out;  // null: refused
};

void CheckAll(PathNormalization how, std::initializer_list<Vector> vectors) {
  for (const Vector& vector : vectors) {
    INFO("path " << vector.in);
    const std::optional<std::string> got = NormalizePath(vector.in, how);
    if (vector.out == nullptr) {
      CHECK_FALSE(got.has_value());
      continue;
    }
    REQUIRE(got.has_value());
    CHECK(*got == vector.out);
    CHECK(NormalizePath(*got, how) == *got);  // what goes upstream is stable
  }
}

TEST_CASE("base normalization settles dot segments, unreserved escapes and backslashes") {
  CheckAll(PathNormalization::kBase, {{"/", "/"},
                                      {"/a/b", "/a/b"},
                                      {"/%65xact", "/exact"},
                                      {"/x/../exact", "/exact"},
                                      {"/foo/../status/418", "/status/418"},
                                      {"/foo/%2e%2e/status", "/status"},
                                      {"/foo/%2E./status", "/status"},
                                      {"/foo/.%2e/status", "/status"},
                                      {"/foo/./bar", "/foo/bar"},
                                      {"/foo/%2e/bar", "/foo/bar"},
                                      {"/foo/.", "/foo/"},
                                      {"/foo/..", "/"},
                                      {"/foo/bar/..", "/foo/"},
                                      {"/..", "/"},
                                      {"/../..", "/"},
                                      {"/../../a", "/a"},
                                      {"/a\\b", "/a/b"},
                                      {"\\a", "/a"},
                                      {"/a\\..\\b", "/b"},
                                      {"/a/..\\b", "/b"},
                                      {"a", "/a"},
                                      {"", "/"},
                                      {"*", "/*"},
                                      {"/...", "/..."},
                                      {"/.a", "/.a"},
                                      {"/a..", "/a.."}});
}

TEST_CASE("base normalization keeps double slashes, escaped slashes and path parameters") {
  CheckAll(PathNormalization::kBase, {{"//a", "//a"},
                                      {"/a//b", "/a//b"},
                                      {"/a//../b", "/a/b"},
                                      {"/a%2fb", "/a%2fb"},
                                      {"/a%2Fb", "/a%2Fb"},
                                      {"/a%5cb", "/a%5cb"},
                                      {"/a%2f..%2fb", "/a%2f..%2fb"},
                                      {"/status/418;a=b", "/status/418;a=b"},
                                      {"/a/", "/a/"}});
}

TEST_CASE("an escape is undone once and never twice") {
  CheckAll(PathNormalization::kBase, {{"/%252e%252e/a", "/%252e%252e/a"},
                                      {"/%25%36%35", "/%2565"},
                                      {"/%%36%35", "/%2565"},
                                      {"/%2%35", "/%2525"},
                                      {"/%6%35", "/%2565"},
                                      {"/%2", "/%2"},
                                      {"/%", "/%"},
                                      {"/%zz", "/%zz"}});
}

TEST_CASE("characters that may not stand raw in a path are escaped") {
  CheckAll(
      PathNormalization::kBase,
      {{"/a b", "/a%20b"}, {"/a\"b", "/a%22b"}, {"/\xc3\xa9", "/%C3%A9"}, {"/a%20b", "/a%20b"}});
}

TEST_CASE("a NUL or a control character in a path is refused") {
  CheckAll(PathNormalization::kBase,
           {{"/a%00", nullptr}, {"/a%00b", nullptr}, {"/a\tb", nullptr}, {"/\x7f", nullptr}});
  CHECK_FALSE(NormalizePath(std::string_view("/a\0b", 4), PathNormalization::kNone).has_value());
}

TEST_CASE("merging slashes comes after dot segments") {
  CheckAll(
      PathNormalization::kMergeSlashes,
      {{"//a", "/a"}, {"/a///b//", "/a/b/"}, {"/a//../b", "/a/b"}, {"/a%2f%2fb", "/a%2f%2fb"}});
}

TEST_CASE("decoding slashes comes before dot segments") {
  CheckAll(PathNormalization::kDecodeAndMergeSlashes, {{"/a%2f..%2fb", "/b"},
                                                       {"/a%5C%5cb", "/a/b"},
                                                       {"/a%2f%2fb", "/a/b"},
                                                       {"/a%252fb", "/a%252fb"}});
}

TEST_CASE("without normalization a path stays as it came") {
  CheckAll(PathNormalization::kNone, {{"/a/../b", "/a/../b"}, {"/%65", "/%65"}, {"//", "//"}});
}

TEST_CASE("for comparing, the digits of escapes are in upper case and all else stays") {
  for (const Vector& vector : std::initializer_list<Vector>{{"/admin/%c3%a9", "/admin/%C3%A9"},
                                                            {"/a%2fb%Cf", "/a%2Fb%CF"},
                                                            {"/%zz%%af%", "/%zz%%AF%"},
                                                            {"/abc", "/abc"},
                                                            {"/%c", "/%C"},
                                                            {"/%abc", "/%ABc"}}) {
    CHECK(UpperCaseEscapes(vector.in) == vector.out);
  }
}

TEST_CASE("in a regular expression only escapes outside of classes are raised") {
  for (const Vector& vector : std::initializer_list<Vector>{{"/%c3%a9.*", "/%C3%A9.*"},
                                                            {"[%af]+%af", "[%af]+%AF"},
                                                            {"[]%af]%af", "[]%af]%AF"},
                                                            {"[^]%af]%af", "[^]%af]%AF"},
                                                            {"[\\]%af]%af", "[\\]%af]%AF"},
                                                            {"\\[%af", "\\[%AF"}}) {
    CHECK(UpperCaseEscapesOfPattern(vector.in) == vector.out);
  }
}

TEST_CASE("a target is cut at the query, and a fragment is dropped") {
  CHECK(Split("/a?b=c#d").path == "/a");
  CHECK(Split("/a?b=c#d").query == "b=c");
  CHECK(Split("/a#b?c").path == "/a");
  CHECK_FALSE(Split("/a").has_query);
  CHECK(Split("/a?").has_query);
  CHECK(NormalizeTarget("/x/../a?q=/../b", PathNormalization::kBase) == "/a?q=/../b");
  CHECK(NormalizeTarget("/a?", PathNormalization::kBase) == "/a?");
}

}  // namespace
}  // namespace aquifer::waypoint
