// Tables: how policies of every shape match (one row each), and what the control plane makes of
// PeerAuthentication.
#include <memory>
#include <string>
#include <vector>

#include "mesh/rbac.h"
#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

using Kind = StringMatch::Kind;

const certs::Identity kSleep{"cluster.local", "default", "sleep"};
const Address kApp{Ip::V4(10, 1, 0, 9), 8080};
const ConnectionView kKnown{&kSleep, Ip::V4(10, 1, 0, 5), kApp};
const ConnectionView kNobody{nullptr, Ip::V4(10, 1, 0, 5), kApp};

Policy With(PolicyAction action, std::vector<PolicyRule> rules, std::string name = "p") {
  Policy policy;
  policy.name = std::move(name);
  policy.ns = "default";
  policy.action = action;
  policy.rules = std::move(rules);
  return policy;
}

Decision Judge(const ConnectionView& view, const std::vector<Policy>& policies) {
  std::vector<PolicyRef> refs;
  for (const Policy& policy : policies) refs.push_back(std::make_shared<const Policy>(policy));
  return Authorize(view, refs);
}

// A match with one list.
template <class T>
PolicyMatch Any(MatchLists<T> PolicyMatch::* field, std::vector<T> values) {
  PolicyMatch match;
  (match.*field).any = std::move(values);
  return match;
}
template <class T>
PolicyMatch None(MatchLists<T> PolicyMatch::* field, std::vector<T> values) {
  PolicyMatch match;
  (match.*field).none = std::move(values);
  return match;
}
PolicyMatch Port(std::uint16_t port) { return Any(&PolicyMatch::destination_ports, {port}); }
PolicyMatch NotPort(std::uint16_t port) { return None(&PolicyMatch::destination_ports, {port}); }
PolicyMatch NoPrincipal() {
  return None(&PolicyMatch::principals, {StringMatch{Kind::kPresence, ""}});
}

}  // namespace

TEST_CASE("a policy's rules, clauses and matches, row by row") {
  const PolicyMatch yes = Port(8080);
  const PolicyMatch no = Port(9090);
  const PolicyMatch nothing;
  struct Row {
    const char* what;
    std::vector<PolicyRule> rules;
    bool matches;
  };
  const Row rows[] = {
      {"no rule", {}, false},
      {"a rule without a clause", {{}}, true},
      {"a clause without a match", {{{}}}, true},
      {"an empty match", {{{nothing}}}, false},
      {"empty matches only", {{{nothing, nothing}}}, false},
      {"an empty match beside one that holds", {{{nothing, yes}}}, true},
      {"an empty match beside one that does not", {{{nothing, no}}}, false},
      {"one of two matches", {{{no, yes}}}, true},
      {"none of two matches", {{{no, no}}}, false},
      {"both clauses", {{{yes}, {yes}}}, true},
      {"one of two clauses", {{{yes}, {no}}}, false},
      {"a clause beside one without a match", {{{no}, {}}}, false},
      {"a clause that holds beside one without a match", {{{yes}, {}}}, true},
      {"a clause that holds beside an empty match", {{{yes}, {nothing}}}, false},
      {"one of two rules", {{{no}}, {{yes}}}, true},
      {"none of two rules", {{{no}}, {{no}}}, false},
      {"a rule without a clause beside one that does not hold", {{{no}}, {}}, true},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    CHECK(Matches(With(PolicyAction::kAllow, row.rules), kKnown) == row.matches);
    CHECK(Judge(kKnown, {With(PolicyAction::kAllow, row.rules)}).allowed() == row.matches);
    CHECK(Judge(kKnown, {With(PolicyAction::kDeny, row.rules)}).allowed() != row.matches);
  }
}

TEST_CASE("strings match by kind, with and without an identity") {
  struct Row {
    const char* what;
    MatchLists<StringMatch> PolicyMatch::* field;
    StringMatch match;
    bool known;
    bool nobody;
  };
  const auto principals = &PolicyMatch::principals;
  const auto namespaces = &PolicyMatch::namespaces;
  const std::string name = "cluster.local/ns/default/sa/sleep";
  const Row rows[] = {
      {"principal", principals, {Kind::kExact, name}, true, false},
      {"principal with its scheme", principals, {Kind::kExact, "spiffe://" + name}, false, false},
      {"other principal",
       principals,
       {Kind::kExact, "cluster.local/ns/default/sa/x"},
       false,
       false},
      {"other case", principals, {Kind::kExact, "Cluster.local/ns/default/sa/sleep"}, false, false},
      {"prefix", principals, {Kind::kPrefix, "cluster.local/ns/default/"}, true, false},
      {"no prefix", principals, {Kind::kPrefix, "ns/default"}, false, false},
      {"empty prefix", principals, {Kind::kPrefix, ""}, true, false},
      {"suffix", principals, {Kind::kSuffix, "/sa/sleep"}, true, false},
      {"no suffix", principals, {Kind::kSuffix, "/sa"}, false, false},
      {"presence", principals, {Kind::kPresence, ""}, true, false},
      {"namespace", namespaces, {Kind::kExact, "default"}, true, false},
      {"namespace's prefix", namespaces, {Kind::kPrefix, "def"}, true, false},
      {"namespace's suffix", namespaces, {Kind::kSuffix, "ault"}, true, false},
      {"namespace's presence", namespaces, {Kind::kPresence, ""}, true, false},
      // Nobody's namespace is the empty text, which has an empty prefix.
      {"any namespace's prefix", namespaces, {Kind::kPrefix, ""}, true, true},
      {"the empty namespace", namespaces, {Kind::kExact, ""}, false, true},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const Policy any = With(PolicyAction::kAllow, {{{Any(row.field, {row.match})}}});
    const Policy none = With(PolicyAction::kAllow, {{{None(row.field, {row.match})}}});
    CHECK(Matches(any, kKnown) == row.known);
    CHECK(Matches(any, kNobody) == row.nobody);
    CHECK(Matches(none, kKnown) != row.known);
    CHECK(Matches(none, kNobody) != row.nobody);
  }
}

TEST_CASE("addresses, ports and accounts match by value, and their negation by none") {
  struct Row {
    const char* what;
    PolicyMatch match;
    bool known;
    bool nobody;
  };
  const auto source = &PolicyMatch::source_ips;
  const auto destination = &PolicyMatch::destination_ips;
  const auto accounts = &PolicyMatch::service_accounts;
  const Cidr net = *Cidr::Parse("10.1.0.0/24");
  const Cidr other = *Cidr::Parse("10.2.0.0/16");
  const Cidr six = *Cidr::Parse("::/0");
  const ServiceAccountMatch sleep{"default", "sleep"};
  const Row rows[] = {
      {"source in", Any(source, {net}), true, true},
      {"source out", Any(source, {other, six}), false, false},
      {"source in one of two", Any(source, {other, net}), true, true},
      {"source not in", None(source, {other}), true, true},
      {"source not out", None(source, {other, net}), false, false},
      {"destination in", Any(destination, {net}), true, true},
      {"destination out", Any(destination, {other}), false, false},
      {"destination not in", None(destination, {net}), false, false},
      {"port", Port(8080), true, true},
      {"other port", Port(80), false, false},
      {"not the port", NotPort(8080), false, false},
      {"not another port", NotPort(80), true, true},
      {"account", Any(accounts, {sleep}), true, false},
      {"account of elsewhere", Any(accounts, {{"other", "sleep"}}), false, false},
      {"another account", Any(accounts, {{"default", "x"}}), false, false},
      {"one of two accounts", Any(accounts, {{"default", "x"}, sleep}), true, false},
      {"not the account", None(accounts, {sleep}), false, true},
      {"not another account", None(accounts, {{"default", "x"}}), true, true},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const Policy policy = With(PolicyAction::kAllow, {{{row.match}}});
    CHECK(Matches(policy, kKnown) == row.known);
    CHECK(Matches(policy, kNobody) == row.nobody);
  }
}

TEST_CASE("an account matches in whatever trust domain") {
  const certs::Identity elsewhere{"other.domain", "default", "sleep"};
  const ConnectionView view{&elsewhere, kKnown.source, kApp};
  CHECK(Matches(
      With(PolicyAction::kAllow, {{{Any(&PolicyMatch::service_accounts, {{"default", "sleep"}})}}}),
      view));
}

TEST_CASE("every kind of a match must hold together") {
  PolicyMatch all = Any(&PolicyMatch::principals, {{Kind::kPresence, ""}});
  all.namespaces.any = {{Kind::kExact, "default"}};
  all.source_ips.any = {*Cidr::Parse("10.1.0.0/24")};
  all.destination_ips.any = {*Cidr::Parse("10.1.0.9")};
  all.destination_ports.any = {8080};
  all.service_accounts.any = {{"default", "sleep"}};
  const auto holds = [](const PolicyMatch& match) {
    return Matches(With(PolicyAction::kAllow, {{{match}}}), kKnown);
  };
  CHECK(holds(all));
  const auto without = [&](auto spoil) {
    PolicyMatch spoilt = all;
    spoil(spoilt);
    return holds(spoilt);
  };
  CHECK_FALSE(without([](PolicyMatch& m) { m.principals.any = {{Kind::kExact, "x"}}; }));
  CHECK_FALSE(without([](PolicyMatch& m) { m.namespaces.any = {{Kind::kExact, "x"}}; }));
  CHECK_FALSE(without([](PolicyMatch& m) { m.source_ips.none = m.source_ips.any; }));
  CHECK_FALSE(without([](PolicyMatch& m) { m.destination_ips.none = m.destination_ips.any; }));
  CHECK_FALSE(without([](PolicyMatch& m) { m.destination_ports.none = {8080}; }));
  CHECK_FALSE(without([](PolicyMatch& m) { m.service_accounts.any = {{"x", "sleep"}}; }));
}

TEST_CASE("what the control plane makes of PeerAuthentication") {
  const PolicyRule strict_port = {{[] {
    PolicyMatch match = NoPrincipal();
    match.destination_ports.any = {8080};
    return match;
  }()}};
  struct Row {
    const char* what;
    std::vector<PolicyRule> rules;
    std::uint16_t port;
    bool in_the_clear;
  };
  const Row rows[] = {
      {"STRICT", {{{NoPrincipal()}}}, 8080, false},
      {"STRICT, any port", {{{NoPrincipal()}}}, 1, false},
      {"one STRICT port", {strict_port}, 8080, false},
      {"beside the STRICT port", {strict_port}, 8081, true},
      {"STRICT but for a port", {{{NoPrincipal()}, {NotPort(9090)}}}, 9090, true},
      {"STRICT but for another port", {{{NoPrincipal()}, {NotPort(9090)}}}, 8080, false},
      {"STRICT but for two ports, first",
       {{{NoPrincipal()}, {NotPort(9090)}, {NotPort(9091)}}},
       9090,
       true},
      {"STRICT but for two ports, second",
       {{{NoPrincipal()}, {NotPort(9090)}, {NotPort(9091)}}},
       9091,
       true},
      {"STRICT but for two ports, others",
       {{{NoPrincipal()}, {NotPort(9090)}, {NotPort(9091)}}},
       8080,
       false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const Policy policy = With(PolicyAction::kDeny, row.rules);
    const Address app{kApp.ip, row.port};
    CHECK(Judge({nullptr, kNobody.source, app}, {policy}).allowed() == row.in_the_clear);
    CHECK(Judge({&kSleep, kKnown.source, app}, {policy}).allowed());
  }
}

TEST_CASE(
    "an ALLOW of which L7 has left nothing denies, a DENY of which it has left nothing does not") {
  CHECK_FALSE(Judge(kKnown, {With(PolicyAction::kAllow, {})}).allowed());
  CHECK(Judge(kKnown, {With(PolicyAction::kDeny, {{{PolicyMatch{}}}})}).allowed());
}

TEST_CASE("a refusal names the policies that did not allow") {
  const Policy a = With(PolicyAction::kAllow, {}, "a");
  const Policy b = With(PolicyAction::kAllow, {}, "b");
  const Policy c = With(PolicyAction::kAllow, {}, "c");
  CHECK(Judge(kKnown, {a}).Describe() == "allow policies exist, but none allowed: default/a");
  CHECK(Judge(kKnown, {a, b, c}).Describe() ==
        "allow policies exist, but none allowed: default/a and 2 more");
  const Policy deny = With(PolicyAction::kDeny, {{}}, "d");
  CHECK(Judge(kKnown, {a, deny}).Describe() == "explicitly denied by: default/d");
}

namespace {

std::vector<std::string> Names(std::vector<std::string> names) { return names; }

}  // namespace

TEST_CASE("a dry run counts for nothing, and what it would have done is told") {
  Policy deny = With(PolicyAction::kDeny, {{}}, "dry-deny");
  Policy allow = With(PolicyAction::kAllow, {{{Port(8080)}}}, "dry-allow");
  Policy refuse = With(PolicyAction::kAllow, {}, "dry-refuse");
  deny.dry_run = allow.dry_run = refuse.dry_run = true;
  const Policy enforced = With(PolicyAction::kAllow, {{}}, "enforced");
  const Policy enforced_refusal = With(PolicyAction::kAllow, {}, "enforced");

  Decision decision = Judge(kKnown, {deny, refuse});
  CHECK(decision.allowed());
  CHECK(decision.dry_run_denials == Names({"default/dry-deny"}));
  CHECK(decision.dry_run_allowances.empty());
  CHECK(decision.dry_run_refusals == Names({"default/dry-refuse"}));

  decision = Judge(kKnown, {allow, refuse});
  CHECK(decision.allowed());
  CHECK(decision.dry_run_allowances == Names({"default/dry-allow"}));
  CHECK(decision.dry_run_refusals.empty());

  // Somebody else allows it by name: the dry run would change nothing.
  decision = Judge(kKnown, {refuse, enforced});
  CHECK(decision.policy == "default/enforced");
  CHECK(decision.dry_run_refusals.empty());

  decision = Judge(kKnown, {allow, enforced_refusal});
  CHECK(decision.verdict == Verdict::kNotAllowed);
  CHECK(decision.policy == "default/enforced");
  CHECK(decision.dry_run_allowances == Names({"default/dry-allow"}));
}

TEST_CASE("what is known to deny goes before what is not known, and that before an allowance") {
  const PolicyRef deny = std::make_shared<const Policy>(With(PolicyAction::kDeny, {{}}, "deny"));
  const PolicyRef allow = std::make_shared<const Policy>(With(PolicyAction::kAllow, {{}}, "allow"));
  const std::vector<std::string> missing = {"default/gone"};
  CHECK(Authorize(kKnown, std::vector{deny}, missing).verdict == Verdict::kDenied);
  CHECK(Authorize(kKnown, std::vector{allow}, missing).verdict == Verdict::kMissingPolicy);
  CHECK(Authorize(kKnown, {}, missing).policy == "default/gone");
}

}  // namespace aquifer::mesh
