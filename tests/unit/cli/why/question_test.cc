#include "cli/why/question.h"

#include "tests/support/catch.h"

namespace aquifer::cli {
namespace {

std::string From(std::string_view word) {
  const Decoded<Party> party = ReadFrom(word, "own");
  if (!party) return party.error().ToString();
  switch (party->kind) {
    case Party::Kind::kAddress:
      return "address " + party->ip.ToString();
    case Party::Kind::kAccount:
      return "account " + party->name_space + " " + party->name;
    default:
      return "pod " + party->name_space + " " + party->name;
  }
}

std::string To(std::string_view word) {
  const auto to = ReadTo(word, "own");
  if (!to) return to.error().ToString();
  const std::string port = " " + std::to_string(to->second);
  switch (to->first.kind) {
    case Party::Kind::kAddress:
      return "address " + to->first.ip.ToString() + port;
    case Party::Kind::kHost:
      return "host " + to->first.name + port;
    case Party::Kind::kPod:
      return "pod " + to->first.name_space + " " + to->first.name + port;
    default:
      return "named " + to->first.name_space + " " + to->first.name + port;
  }
}

}  // namespace

TEST_CASE("a source is a pod, an account or an address") {
  CHECK(From("curl") == "pod own curl");
  CHECK(From("shop/curl-1.a") == "pod shop curl-1.a");
  CHECK(From("pod/shop/curl") == "pod shop curl");
  CHECK(From("sa/shop/curl") == "account shop curl");
  CHECK(From("10.0.0.1") == "address 10.0.0.1");
  CHECK(From("fd00::1") == "address fd00::1");
  CHECK(From("") == "is no source");
  CHECK(From("shop/") == "shop/: is no name of an object");
  CHECK(From("a/b/c") == "a/b/c: is no name of an object");
}

TEST_CASE("a target is a name, a host or an address, with a port") {
  CHECK(To("web:80") == "named own web 80");
  CHECK(To("shop/web:80") == "named shop web 80");
  CHECK(To("pod/shop/web.1:80") == "pod shop web.1 80");
  CHECK(To("Web.shop:80") == "host web.shop 80");
  CHECK(To("10.0.0.1:80") == "address 10.0.0.1 80");
  CHECK(To("[fd00::1]:80") == "address fd00::1 80");
  CHECK(To("web") == "web: needs a port behind a colon, such as shop/web:80");
  CHECK(To("web:0") == "web:0: needs a port behind a colon, such as shop/web:80");
  CHECK(To("web:70000") == "web:70000: needs a port behind a colon, such as shop/web:80");
  CHECK(To("a_b.c:80") == "a_b.c:80: is no host name");
}

TEST_CASE("a request has a method, a path and headers") {
  const auto request = ReadRequest("GET", "/a?b", "", {"X-A: b c", "x-b:"});
  REQUIRE(request.ok());
  CHECK(request->headers ==
        std::vector<std::pair<std::string, std::string>>{{"x-a", "b c"}, {"x-b", ""}});
  CHECK_FALSE(ReadRequest("G T", "/", "", {}).ok());
  CHECK_FALSE(ReadRequest("GET", "a", "", {}).ok());
  CHECK_FALSE(ReadRequest("GET", "/", "a\nb", {}).ok());
  CHECK_FALSE(ReadRequest("GET", "/", "", {"no colon"}).ok());
}

}  // namespace aquifer::cli
