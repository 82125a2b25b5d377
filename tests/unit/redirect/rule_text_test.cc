#include "redirect/rule_text.h"

#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

size_t Count(const std::string& text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("rules replace what was in all three tables in one transaction") {
  const std::string text = RuleText({});
  for (const std::string table :
       {"istio-ambient-nat", "istio-ambient-mangle", "istio-ambient-raw"}) {
    const size_t added = text.find("add table inet " + table + "\n");
    const size_t deleted = text.find("delete table inet " + table + "\n");
    const size_t made = text.find("table inet " + table + " {\n");
    REQUIRE(made != std::string::npos);
    CHECK(added < deleted);
    CHECK(deleted < made);
  }
}

TEST_CASE("rules begin with what leaves none") { CHECK(RuleText({}).starts_with(RemovalText())); }

TEST_CASE("every redirect leaves out what the proxy itself sends") {
  for (const bool dns : {false, true}) {
    const std::string text = RuleText({.inbound = true, .dns = dns});
    const size_t redirects = Count(text, "redirect to");
    CHECK(redirects == (dns ? 7 : 4));
    CHECK(Count(text, "meta mark & 0xfff != 0x539 counter redirect to") == redirects);
  }
}

TEST_CASE("what is captured on its way out is opened without SACK") {
  CHECK(Count(RuleText({}), "reset tcp option sack-perm") == 2);
  CHECK(Count(RuleText({.outbound = false}), "reset tcp option sack-perm") == 0);
}

TEST_CASE("DNS is redirected only when the proxy serves it") {
  CHECK(Count(RuleText({}), "dport 53 ") == 0);
  CHECK(Count(RuleText({}), "15053") == 0);
  CHECK(Count(RuleText({.dns = true}), "redirect to :15053") == 3);
}

TEST_CASE("a pod that takes inbound traffic by itself has no inbound redirect") {
  const std::string text = RuleText({.inbound = false});
  CHECK(Count(text, "15006") == 0);
  CHECK(Count(text, "redirect to :15001") == 2);
}

TEST_CASE("health probes pass before anything is redirected") {
  const std::string text = RuleText({});
  CHECK(text.find("ip saddr 169.254.7.127") < text.find("redirect to :15006"));
  CHECK(text.find("ip6 saddr fd16:9254:7127:1337:ffff:ffff:ffff:ffff") <
        text.find("redirect to :15006"));
  CHECK(text.find("ip daddr 169.254.7.127") < text.find("redirect to :15001"));
}

TEST_CASE("removal makes no table that it does not delete") {
  const std::string text = RemovalText();
  CHECK(Count(text, "add table inet ") == 3);
  CHECK(Count(text, "delete table inet ") == 3);
  CHECK(Count(text, "{") == 0);
}

}  // namespace aquifer::redirect
