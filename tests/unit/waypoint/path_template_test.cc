#include "waypoint/path_template.h"

#include "tests/support/catch.h"

namespace aquifer::waypoint {
namespace {

bool Matches(const char* text, const char* path) {
  const Decoded<PathTemplate> parsed = PathTemplate::Parse(text, "paths[0]");
  REQUIRE(parsed.ok());
  return parsed->Matches(path);
}

// Measured on Envoy with the settings that Istio generates.
TEST_CASE("{**} at the end takes the rest after its slash, and may be empty") {
  CHECK(Matches("/allow/admin/{**}", "/allow/admin/"));
  CHECK(Matches("/allow/admin/{**}", "/allow/admin/a/b"));
  CHECK_FALSE(Matches("/allow/admin/{**}", "/allow/admin"));
  CHECK_FALSE(Matches("/allow/admin/{**}", "/allow/administrator"));
}

TEST_CASE("{*} is one segment and {**} comes after it") {
  CHECK(Matches("/foo/{*}/bar/{**}", "/foo/x/bar/"));
  CHECK(Matches("/foo/{*}/bar/{**}", "/foo/x/bar/y/z"));
  CHECK_FALSE(Matches("/foo/{*}/bar/{**}", "/foo//bar/x"));
  CHECK_FALSE(Matches("/foo/{*}/bar/{**}", "/foo/b/bar"));
  CHECK_FALSE(Matches("/foo/{*}/bar/{**}", "/foo/a/b/bar/"));
}

TEST_CASE("literal text may follow {**}") {
  CHECK(Matches("/store/{**}/cart", "/store//cart"));
  CHECK(Matches("/store/{**}/cart", "/store/a/b/cart"));
  CHECK_FALSE(Matches("/store/{**}/cart", "/store/cart"));
  CHECK_FALSE(Matches("/store/{**}/cart", "/store/a/cart/"));
}

TEST_CASE("{*} takes exactly one segment that is not empty") {
  CHECK(Matches("/one/{*}", "/one/x"));
  CHECK(Matches("/one/{*}", "/one/x.txt"));
  CHECK(Matches("/one/{*}", "/one/a%20b"));
  CHECK_FALSE(Matches("/one/{*}", "/one/"));
  CHECK_FALSE(Matches("/one/{*}", "/one/x/"));
  CHECK_FALSE(Matches("/one/{*}", "/one/x/y"));
  CHECK(Matches("/{*}/b/{*}", "/a/b/c"));
}

TEST_CASE("a template that cannot be meant is refused") {
  for (const char* text : {"/a/{**}/{*}", "/a/{**}/{**}", "/a{*}", "/{*}.txt", "/a*/{*}", "{*}",
                           "/{*}/*", "/{x}/{*}"}) {
    INFO("template " << text);
    CHECK_FALSE(PathTemplate::Parse(text, "paths[0]").ok());
  }
  CHECK_FALSE(PathTemplate::IsTemplate("/a/*"));
  CHECK(PathTemplate::IsTemplate("/a/{*}"));
}

}  // namespace
}  // namespace aquifer::waypoint
