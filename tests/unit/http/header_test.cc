#include "core/http/header.h"

#include <string>

#include "core/http/message.h"
#include "tests/support/catch.h"

namespace aquifer::http {
namespace {

using std::string_view_literals::operator""sv;

TEST_CASE("a field is found by its name in any case and kept in lower case") {
  HeaderList list;
  REQUIRE(list.Add("Content-Type", "text/plain"));
  CHECK(list.Get("content-type") == "text/plain");
  CHECK(list.Get("CONTENT-TYPE") == "text/plain");
  CHECK(list[0].name == "content-type");
  CHECK_FALSE(list.Get("content").has_value());
}

TEST_CASE("blanks around a value are not part of it") {
  HeaderList list;
  REQUIRE(list.Add("a", " \t x y\t "));
  CHECK(list.Get("a") == "x y");
}

TEST_CASE("no control character gets into a value") {
  HeaderList list;
  for (int c = 0; c < 0x20; ++c) {
    if (c == '\t') continue;
    const std::string value = std::string("x") + static_cast<char>(c) + "y";
    CHECK(list.TryAdd("a", value) == HeaderError::kBadValue);
  }
  CHECK(list.TryAdd("a", "x\x7fy") == HeaderError::kBadValue);
  CHECK(list.TryAdd("a", "x\ty") == HeaderError::kNone);
  CHECK(list.TryAdd("a", "gr\xc3\xbc\xc3\x9f") == HeaderError::kNone);
}

TEST_CASE("only a token is a field name") {
  HeaderList list;
  for (const std::string_view name :
       {""sv, "a b"sv, "a:"sv, ":path"sv, "a\r"sv, "a\0b"sv, "\xc3\xa4"sv, "a("sv}) {
    CHECK(list.TryAdd(name, "x") == HeaderError::kBadName);
  }
  CHECK(list.empty());
}

TEST_CASE("set replaces every field of the name and keeps the place of the first") {
  HeaderList list;
  list.Add("a", "1");
  list.Add("b", "2");
  list.Add("A", "3");
  REQUIRE(list.Set("a", "4"));
  REQUIRE(list.size() == 2);
  CHECK(list[0] == HeaderField{"a", "4"});
  CHECK(list[1] == HeaderField{"b", "2"});
  CHECK_FALSE(list.Set("a", "x\r\ny: z"));
  CHECK(list.Get("a") == "4");
}

TEST_CASE("a value may be taken from the list it goes into") {
  HeaderList list;
  list.Add("a", std::string(150, 'x'));
  for (int i = 0; i < 20; ++i) REQUIRE(list.Add(list[0].name, list[0].value));
  REQUIRE(list.Set("b", list[3].value));
  REQUIRE(list.Set("b", *list.Get("a")));
  CHECK(list.Get("b") == std::string(150, 'x'));
  CHECK(list.Count("a") == 21);
}

TEST_CASE("replacing a value again and again does not grow the list") {
  HeaderList list(HeaderLimits{.max_fields = 4, .max_bytes = 4096});
  for (int i = 0; i < 100000; ++i)
    REQUIRE(list.Set("name", std::string(100, static_cast<char>('a' + i % 26))));
  CHECK(list.size() == 1);
  CHECK(list.bytes() == 4 + 100 + 32);
  list.Add("other", "x");
  CHECK(list.Remove("name") == 1);
  CHECK(list.bytes() == 5 + 1 + 32);
  CHECK(list.Get("other") == "x");
}

TEST_CASE("limits hold at their edge") {
  HeaderList list(HeaderLimits{.max_fields = 2, .max_bytes = 100});
  CHECK(list.TryAdd("a", std::string(68, 'x')) == HeaderError::kTooManyBytes);
  CHECK(list.TryAdd("a", std::string(67, 'x')) == HeaderError::kNone);
  CHECK(list.TryAdd("b", "") == HeaderError::kTooManyBytes);
  REQUIRE(list.Set("a", "1"));
  CHECK(list.TryAdd("b", "2") == HeaderError::kNone);
  CHECK(list.TryAdd("c", "") == HeaderError::kTooManyFields);
}

TEST_CASE("values of one name join with a comma, cookies with a semicolon") {
  HeaderList list;
  list.Add("Accept", "a");
  list.Add("cookie", "x=1");
  list.Add("accept", "b");
  list.Add("cookie", "y=2");
  CHECK(list.GetJoined("accept") == "a, b");
  CHECK(list.GetJoined("cookie") == "x=1; y=2");
  CHECK_FALSE(list.GetJoined("none").has_value());
}

TEST_CASE("tokens of a list are found whatever surrounds them") {
  HeaderList list;
  list.Add("connection", "keep-alive ,\tUpgrade,");
  CHECK(list.HasToken("connection", "upgrade"));
  CHECK(list.HasToken("Connection", "Keep-Alive"));
  CHECK_FALSE(list.HasToken("connection", "grade"));
  CHECK_FALSE(list.HasToken("connection", "close"));
}

TEST_CASE("hop-by-hop fields go, those that Connection names with them") {
  HeaderList list;
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"connection", "close, X-Private"},
           {"x-private", "1"},
           {"keep-alive", "5"},
           {"te", "gzip, trailers"},
           {"transfer-encoding", "chunked"},
           {"upgrade", "h2c"},
           {"x-kept", "yes"}}) {
    REQUIRE(list.Add(name, value));
  }
  RemoveHopByHop(list);
  REQUIRE(list.size() == 2);
  CHECK(list[0] == HeaderField{"x-kept", "yes"});
  CHECK(list[1] == HeaderField{"te", "trailers"});
}

TEST_CASE("an authority is a host and perhaps a port, nothing more") {
  for (const char* good :
       {"a", "a.b:80", "a_b", "10.0.0.1:15008", "[fd00::1]", "[fd00::1]:80", "a:", "%41"})
    CHECK(IsAuthority(good));
  for (const char* bad : {"", ":80", "user@a", "a:b", "a:123456", "a/b", "a b", "[fd00::1",
                          "[10.0.0.1]", "fd00::1", "[::1]x", "a?b", "a#b"}) {
    CHECK_FALSE(IsAuthority(bad));
  }
}

}  // namespace
}  // namespace aquifer::http
