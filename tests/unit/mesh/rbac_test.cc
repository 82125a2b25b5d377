#include "mesh/rbac.h"

#include <memory>

#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

using Kind = StringMatch::Kind;

const certs::Identity kSleep{"cluster.local", "default", "sleep"};
const ConnectionView kKnown{&kSleep, Ip::V4(10, 1, 0, 5), Address{Ip::V4(10, 1, 0, 9), 8080}};
const ConnectionView kUnknown{nullptr, Ip::V4(10, 1, 0, 5), Address{Ip::V4(10, 1, 0, 9), 8080}};

Policy Make(PolicyAction action, std::vector<PolicyRule> rules, std::string name = "p") {
  Policy policy;
  policy.name = std::move(name);
  policy.ns = "default";
  policy.action = action;
  policy.rules = std::move(rules);
  return policy;
}
Policy OneMatch(PolicyAction action, PolicyMatch match) {
  return Make(action, {{{std::move(match)}}});
}
PolicyRef Ref(Policy policy) { return std::make_shared<const Policy>(std::move(policy)); }

Decision Judge(const ConnectionView& view, std::vector<Policy> policies,
               std::vector<std::string> missing = {}) {
  std::vector<PolicyRef> refs;
  for (Policy& policy : policies) refs.push_back(Ref(std::move(policy)));
  return Authorize(view, refs, missing);
}

PolicyMatch Principals(std::vector<StringMatch> any, std::vector<StringMatch> none = {}) {
  PolicyMatch match;
  match.principals = {std::move(any), std::move(none)};
  return match;
}

}  // namespace

TEST_CASE("without policies everything is allowed") { CHECK(Judge(kUnknown, {}).allowed()); }

TEST_CASE("the shapes of a policy match as the reference does") {
  const Policy no_rules = Make(PolicyAction::kAllow, {});
  const Policy empty_rule = Make(PolicyAction::kAllow, {PolicyRule{}});
  const Policy empty_clause = Make(PolicyAction::kAllow, {PolicyRule{PolicyClause{}}});
  const Policy empty_match = Make(PolicyAction::kAllow, {PolicyRule{PolicyClause{PolicyMatch{}}}});
  CHECK_FALSE(Matches(no_rules, kKnown));
  CHECK(Matches(empty_rule, kKnown));
  CHECK(Matches(empty_clause, kKnown));
  CHECK_FALSE(Matches(empty_match, kKnown));
  CHECK(Judge(kKnown, {no_rules}).verdict == Verdict::kNotAllowed);
  CHECK(Judge(kKnown, {Make(PolicyAction::kDeny, {})}).allowed());
}

TEST_CASE("the first rule that matches is named") {
  const PolicyRule stranger = {{Principals({{Kind::kExact, "cluster.local/ns/x/sa/y"}})}};
  const PolicyRule sleep = {{Principals({{Kind::kSuffix, "/sa/sleep"}})}};
  CHECK(MatchingRule(Make(PolicyAction::kDeny, {stranger, sleep, PolicyRule{}}), kKnown) == 1u);
  CHECK_FALSE(MatchingRule(Make(PolicyAction::kDeny, {stranger}), kKnown).has_value());
}

TEST_CASE("rules are alternatives, clauses must all hold, matches are alternatives") {
  PolicyMatch yes;
  yes.destination_ports.any = {8080};
  PolicyMatch no;
  no.destination_ports.any = {9090};
  CHECK(Matches(Make(PolicyAction::kAllow, {{{no}}, {{yes}}}), kKnown));
  CHECK(Matches(Make(PolicyAction::kAllow, {{{no, yes}}}), kKnown));
  CHECK_FALSE(Matches(Make(PolicyAction::kAllow, {{{yes}, {no}}}), kKnown));
  CHECK(Matches(Make(PolicyAction::kAllow, {{{yes}, {yes}}}), kKnown));
}

TEST_CASE("principals compare without the scheme, and nobody is nobody") {
  const std::string name = "cluster.local/ns/default/sa/sleep";
  for (const auto& [match, known] : std::vector<std::pair<StringMatch, bool>>{
           {{Kind::kExact, name}, true},
           {{Kind::kExact, "spiffe://" + name}, false},
           {{Kind::kPrefix, "cluster.local/ns/default/"}, true},
           {{Kind::kSuffix, "/sa/sleep"}, true},
           {{Kind::kSuffix, "/sa/SLEEP"}, false},
           {{Kind::kPresence, ""}, true}}) {
    CHECK(Matches(OneMatch(PolicyAction::kAllow, Principals({match})), kKnown) == known);
    CHECK_FALSE(Matches(OneMatch(PolicyAction::kAllow, Principals({match})), kUnknown));
    CHECK(Matches(OneMatch(PolicyAction::kAllow, Principals({}, {match})), kKnown) != known);
    CHECK(Matches(OneMatch(PolicyAction::kAllow, Principals({}, {match})), kUnknown));
  }
}

TEST_CASE("STRICT is a denial of whoever has no principal") {
  const Policy strict = OneMatch(PolicyAction::kDeny, Principals({}, {{Kind::kPresence, ""}}));
  CHECK(Judge(kKnown, {strict}).allowed());
  CHECK(Judge(kUnknown, {strict}).verdict == Verdict::kDenied);
  CHECK(Judge(kUnknown, {strict}).policy == "default/p");
}

TEST_CASE("namespaces of an unauthenticated peer are empty and absent") {
  PolicyMatch match;
  match.namespaces.any = {{Kind::kExact, "default"}};
  CHECK(Matches(OneMatch(PolicyAction::kAllow, match), kKnown));
  CHECK_FALSE(Matches(OneMatch(PolicyAction::kAllow, match), kUnknown));
  match.namespaces.any = {{Kind::kPresence, ""}};
  CHECK_FALSE(Matches(OneMatch(PolicyAction::kAllow, match), kUnknown));
  match.namespaces = {{}, {{Kind::kExact, "other"}}};
  CHECK(Matches(OneMatch(PolicyAction::kAllow, match), kUnknown));
}

TEST_CASE("service accounts need both halves and an identity") {
  PolicyMatch match;
  match.service_accounts.any = {{"default", "sleep"}};
  CHECK(Matches(OneMatch(PolicyAction::kAllow, match), kKnown));
  CHECK_FALSE(Matches(OneMatch(PolicyAction::kAllow, match), kUnknown));
  match.service_accounts.any = {{"other", "sleep"}, {"default", "other"}};
  CHECK_FALSE(Matches(OneMatch(PolicyAction::kAllow, match), kKnown));
}

TEST_CASE("addresses and ports, positive and negative, all must hold") {
  PolicyMatch match;
  match.source_ips.any = {*Cidr::Parse("10.1.0.0/24")};
  match.destination_ips.any = {*Cidr::Parse("10.1.0.9/32")};
  match.destination_ports.any = {8080};
  CHECK(Matches(OneMatch(PolicyAction::kAllow, match), kKnown));
  match.destination_ports.none = {8080};
  CHECK_FALSE(Matches(OneMatch(PolicyAction::kAllow, match), kKnown));
  match.destination_ports = {};
  match.source_ips.none = {*Cidr::Parse("10.1.0.5")};
  CHECK_FALSE(Matches(OneMatch(PolicyAction::kAllow, match), kKnown));
}

TEST_CASE("a denial beats an allowance") {
  PolicyMatch port;
  port.destination_ports.any = {8080};
  const Decision decision = Judge(
      kKnown, {OneMatch(PolicyAction::kAllow, port), Make(PolicyAction::kDeny, {{{port}}}, "no")});
  CHECK(decision.verdict == Verdict::kDenied);
  CHECK(decision.policy == "default/no");
}

TEST_CASE("with allow policies, one must allow") {
  PolicyMatch other;
  other.destination_ports.any = {1};
  CHECK(Judge(kKnown, {OneMatch(PolicyAction::kAllow, other)}).verdict == Verdict::kNotAllowed);
  CHECK(Judge(kKnown, {OneMatch(PolicyAction::kAllow, other),
                       Make(PolicyAction::kAllow, {PolicyRule{}}, "all")})
            .policy == "default/all");
}

TEST_CASE("dry run changes nothing and is reported") {
  Policy deny = Make(PolicyAction::kDeny, {PolicyRule{}}, "dry");
  deny.dry_run = true;
  Policy allow = Make(PolicyAction::kAllow, {});
  allow.dry_run = true;
  const Decision decision = Judge(kKnown, {deny, allow});
  CHECK(decision.allowed());
  CHECK(decision.dry_run_denials == std::vector<std::string>{"default/dry"});
}

TEST_CASE("what cannot be judged denies") {
  Policy malformed = Make(PolicyAction::kAllow, {PolicyRule{}});
  malformed.malformed = true;
  CHECK(Judge(kKnown, {malformed}).verdict == Verdict::kMalformedPolicy);
  CHECK(Judge(kKnown, {}, {"default/gone"}).verdict == Verdict::kMissingPolicy);
}

}  // namespace aquifer::mesh
