#include "certs/identity.h"

#include "tests/support/catch.h"

namespace aquifer::certs {
namespace {

using namespace std::string_view_literals;

TEST_CASE("a SPIFFE id is taken apart into trust domain, namespace and service account") {
  const auto id = Identity::Parse("spiffe://cluster.local/ns/shop/sa/web");
  REQUIRE(id.ok());
  CHECK(*id == Identity{"cluster.local", "shop", "web"});
}

TEST_CASE("a SPIFFE id prints as it was written") {
  for (const std::string_view uri :
       {"spiffe://cluster.local/ns/shop/sa/web", "spiffe://td_1-x.y/ns/A.b_c-9/sa/Z"}) {
    const auto id = Identity::Parse(uri);
    REQUIRE(id.ok());
    CHECK(id->ToString() == uri);
  }
}

TEST_CASE("anything but exactly trust domain, namespace and service account is refused") {
  for (const std::string_view uri : {
           ""sv,
           "spiffe://"sv,
           "spiffe://td"sv,
           "spiffe://td/"sv,
           "spiffe://td/ns/a"sv,
           "spiffe://td/ns/a/sa"sv,
           "spiffe://td/ns/a/sa/"sv,
           "spiffe://td/ns//sa/b"sv,
           "spiffe:///ns/a/sa/b"sv,
           "spiffe://td//ns/a/sa/b"sv,
           "spiffe://td/ns/a/sa/b/"sv,
           "spiffe://td/ns/a/sa/b/c"sv,
           "spiffe://td/sa/b/ns/a"sv,
           "spiffe://td/NS/a/sa/b"sv,
           "spiffe://td/ns/a/SA/b"sv,
           "SPIFFE://td/ns/a/sa/b"sv,
           "spiffe:/td/ns/a/sa/b"sv,
           "https://td/ns/a/sa/b"sv,
           " spiffe://td/ns/a/sa/b"sv,
           "spiffe://td/ns/a/sa/b "sv,
           "spiffe://td/ns/./sa/b"sv,
           "spiffe://td/ns/../sa/b"sv,
           "spiffe://td/ns/a/sa/.."sv,
       }) {
    INFO(uri);
    CHECK(!Identity::Parse(uri).ok());
  }
}

TEST_CASE("characters outside the SPIFFE set are refused wherever they stand") {
  for (const std::string_view odd :
       {"\0"sv, "?"sv, "#"sv, "%"sv, "%41"sv, "@"sv, ":"sv, ":8080"sv, "\r\n"sv, "\t"sv, " "sv,
        "*"sv, "~"sv, "+"sv, "\\"sv, "\x7f"sv, "\xc3\xa9"sv}) {
    const std::string text(odd);
    CAPTURE(text);
    CHECK(!Identity::Parse("spiffe://t" + text + "d/ns/a/sa/b").ok());
    CHECK(!Identity::Parse("spiffe://td/ns/a" + text + "/sa/b").ok());
    CHECK(!Identity::Parse("spiffe://td/ns/a/sa/b" + text).ok());
    CHECK(!Identity::Parse("spiffe://td/ns/a/sa/b" + text + "c").ok());
    CHECK(!Identity::Parse(text + "spiffe://td/ns/a/sa/b").ok());
  }
}

TEST_CASE("a NUL does not end a SPIFFE id early") {
  CHECK(!Identity::Parse("spiffe://td/ns/a/sa/admin\0.evil"sv).ok());
}

TEST_CASE("upper case is refused in a trust domain and taken in a path") {
  CHECK(!Identity::Parse("spiffe://Cluster.local/ns/a/sa/b").ok());
  CHECK(Identity::Parse("spiffe://cluster.local/ns/A/sa/B").ok());
}

TEST_CASE("trust domains end at 255 bytes and whole ids at 2048") {
  const std::string domain(255, 'd');
  CHECK(Identity::Parse("spiffe://" + domain + "/ns/a/sa/b").ok());
  CHECK(!Identity::Parse("spiffe://" + domain + "d/ns/a/sa/b").ok());
  const std::string base = "spiffe://td/ns/a/sa/";
  CHECK(Identity::Parse(base + std::string(2048 - base.size(), 'x')).ok());
  CHECK(!Identity::Parse(base + std::string(2049 - base.size(), 'x')).ok());
}

TEST_CASE("every cut of a SPIFFE id but the last is refused") {
  const std::string uri = "spiffe://cluster.local/ns/shop/sa/w";
  for (size_t size = 0; size < uri.size(); ++size) {
    CAPTURE(size);
    CHECK(!Identity::Parse(std::string_view(uri).substr(0, size)).ok());
  }
}

TEST_CASE("parts that would not parse back cannot be made into an identity") {
  CHECK(Identity::Make("cluster.local", "shop", "web").ok());
  CHECK(!Identity::Make("cluster.local", "shop/sa/web", "x").ok());
  CHECK(!Identity::Make("cluster.local", "", "web").ok());
  CHECK(!Identity::Make("", "shop", "web").ok());
  CHECK(!Identity::Make("cluster.local", "shop", std::string(2048, 'x')).ok());
}

TEST_CASE("a refused identity says which part is wrong") {
  const auto id = Identity::Parse("spiffe://td/ns/a b/sa/c");
  REQUIRE(!id.ok());
  CHECK(id.error().field == "ns");
}

}  // namespace
}  // namespace aquifer::certs
