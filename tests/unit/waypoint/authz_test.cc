#include "waypoint/authz.h"

#include <span>

#include "tests/support/catch.h"
#include "tests/unit/waypoint/policy_text.h"

namespace aquifer::waypoint {
namespace {

using test::Allowed;
using test::Request;
using test::RuleOf;

TEST_CASE("without policies every request is allowed") { CHECK(Allowed({}, Request())); }

TEST_CASE("an ALLOW without rules denies everything, one with an empty rule allows everything") {
  CHECK_FALSE(Allowed({test::Allow({})}, Request()));
  CHECK(Allowed({test::Allow({mesh::v1::AuthorizationRule()})}, Request()));
}

TEST_CASE("a DENY with an empty rule denies everything, one without rules nothing") {
  CHECK_FALSE(Allowed({test::Deny({mesh::v1::AuthorizationRule()})}, Request()));
  CHECK(Allowed({test::Deny({})}, Request()));
}

TEST_CASE("DENY beats ALLOW on the same path") {
  const auto rule = RuleOf(R"(to { paths: "/a*" })");
  CHECK_FALSE(Allowed({test::Allow({rule}), test::Deny({rule})}, Request().Path("/a/b")));
  CHECK(Allowed({test::Allow({rule})}, Request().Path("/a/b")));
  CHECK_FALSE(Allowed({test::Allow({rule})}, Request().Path("/b")));
}

TEST_CASE("one of several ALLOW policies is enough") {
  const auto a = test::Allow({RuleOf(R"(to { paths: "/a" })")});
  const auto b = test::Allow({RuleOf(R"(to { paths: "/b" })")});
  CHECK(Allowed({a, b}, Request().Path("/b")));
  CHECK_FALSE(Allowed({a, b}, Request().Path("/c")));
}

TEST_CASE("from, to and when must all hold, and one of each list is enough") {
  const auto policy = test::Allow({RuleOf(R"(
      from { namespaces: "client" } from { namespaces: "other" }
      to { methods: "GET" } to { methods: "PUT" paths: "/put" }
      when { key: "request.headers[x-key]" values: "k" })")});
  CHECK(Allowed({policy}, Request().Header("x-key", "k")));
  CHECK(Allowed({policy}, Request().Method("PUT").Path("/put").Header("x-key", "k")));
  CHECK_FALSE(Allowed({policy}, Request().Method("PUT").Header("x-key", "k")));
  CHECK_FALSE(Allowed({policy}, Request().Header("x-key", "z")));
  CHECK_FALSE(Allowed({policy}, Request().Peer("td/ns/third/sa/a").Header("x-key", "k")));
}

TEST_CASE("the rule that a request falls under is named, undecided as the action has it") {
  const auto third = RuleOf(R"(to { paths: "/c" })");
  const auto token = RuleOf(R"(from { request_principals: "*" })");
  const Policy deny = DecodePolicy(test::Deny({RuleOf(R"(to { paths: "/a" })"), token, third}));
  const Policy allow = DecodePolicy(test::Allow({token, third}));
  const auto input = Request().Path("/c").Finish();
  CHECK(MatchingRule(deny, input->authz) == 1);
  CHECK(MatchingRule(allow, input->authz) == 1);
  const auto other = Request().Path("/z").Finish();
  CHECK_FALSE(MatchingRule(allow, other->authz).has_value());
}

struct Case {
  const char* rule;
  const char* field;  // of Request to set
  const char* value;
  bool matches;
};

// What a rule matches is allowed by an ALLOW policy and denied by a DENY one.
void CheckAll(std::span<const Case> cases) {
  for (const Case& one : cases) {
    INFO(one.rule << " with " << one.field << " " << one.value);
    CHECK(Allowed({test::Allow({RuleOf(one.rule)})}, Request().Set(one.field, one.value)) ==
          one.matches);
    CHECK(Allowed({test::Deny({RuleOf(one.rule)})}, Request().Set(one.field, one.value)) !=
          one.matches);
  }
}

TEST_CASE("source fields match the identity of the tunnel's peer") {
  const Case cases[] = {
      {R"(from { principals: "cluster.local/ns/client/sa/curl" })", "peer",
       "cluster.local/ns/client/sa/curl", true},
      {R"(from { principals: "cluster.local/ns/client/sa/curl" })", "peer",
       "cluster.local/ns/client/sa/curl2", false},
      {R"(from { principals: "cluster.local/ns/client/*" })", "peer",
       "cluster.local/ns/client/sa/curl", true},
      {R"(from { principals: "*/sa/curl" })", "peer", "cluster.local/ns/client/sa/curl", true},
      {R"(from { principals: "*" })", "peer", "cluster.local/ns/client/sa/curl", true},
      {R"(from { principals: "*" })", "peer", "", false},
      {R"(from { not_principals: "*" })", "peer", "", true},
      {R"(from { not_principals: "*" })", "peer", "cluster.local/ns/client/sa/curl", false},
      {R"(from { namespaces: "client" })", "peer", "cluster.local/ns/client/sa/curl", true},
      {R"(from { namespaces: "cl*t" })", "peer", "cluster.local/ns/client/sa/curl", true},
      {R"(from { namespaces: "cli" })", "peer", "cluster.local/ns/client/sa/curl", false},
      {R"(from { namespaces: "*" })", "peer", "", false},
      {R"(from { not_namespaces: "client" })", "peer", "cluster.local/ns/client/sa/curl", false},
      {R"(from { not_namespaces: "client" })", "peer", "", true},
      {R"(from { service_accounts: "client/curl" })", "peer", "cluster.local/ns/client/sa/curl",
       true},
      {R"(from { service_accounts: "curl" })", "peer", "cluster.local/ns/client/sa/curl", false},
      {R"(from { service_accounts: "curl" })", "peer", "cluster.local/ns/app/sa/curl", true},
      {R"(from { trust_domains: "cluster.local" })", "peer", "cluster.local/ns/a/sa/b", true},
      {R"(from { trust_domains: "other" })", "peer", "cluster.local/ns/a/sa/b", false},
      {R"(from { not_trust_domains: "other" })", "peer", "other/ns/a/sa/b", false},
      {R"(from { ip_blocks: "10.1.0.0/16" })", "ip", "10.1.2.3", true},
      {R"(from { ip_blocks: "10.1.0.0/16" })", "ip", "10.2.2.3", false},
      {R"(from { not_ip_blocks: "10.1.2.3" })", "ip", "10.1.2.3", false},
      {R"(from { remote_ip_blocks: "192.0.2.0/24" })", "remote", "192.0.2.7", true},
      {R"(from { remote_ip_blocks: "192.0.2.0/24" })", "remote", "10.0.0.1", false},
      {R"(from { not_remote_ip_blocks: "192.0.2.0/24" })", "remote", "192.0.2.7", false},
  };
  CheckAll(cases);
}

TEST_CASE("operation fields match host, method, path and port") {
  const Case cases[] = {
      {R"(to { hosts: "a.com" })", "host", "A.Com", true},
      {R"(to { hosts: "a.com" })", "host", "a.com:80", false},
      {R"(to { hosts: "a.com:*" })", "host", "a.com:80", true},
      {R"(to { hosts: "*.a.com" })", "host", "x.A.com", true},
      {R"(to { hosts: "*" })", "host", "", true},
      {R"(to { not_hosts: "a.com" })", "host", "a.COM", false},
      {R"(to { methods: "GET" })", "method", "GET", true},
      {R"(to { methods: "GET" })", "method", "HEAD", false},
      {R"(to { methods: "GET" })", "method", "get", false},
      {R"(to { not_methods: "GET" })", "method", "POST", true},
      {R"(to { paths: "/status/418" })", "path", "/status/418", true},
      {R"(to { paths: "/status/418" })", "path", "/status/418?x=1", true},
      {R"(to { paths: "/status/418" })", "path", "/foo/../status/418?x=1", true},
      {R"(to { paths: "/status/418" })", "path", "/%73tatus/418", true},
      {R"(to { paths: "/status/418" })", "path", "/status\\418", true},
      {R"(to { paths: "/status/418" })", "path", "/status/418#x", true},
      {R"(to { paths: "/status/418" })", "path", "/status/418/", false},
      {R"(to { paths: "/status/418" })", "path", "//status/418", false},
      {R"(to { paths: "/status/418" })", "path", "/status/418;a=b", false},
      {R"(to { paths: "/status/418" })", "path", "/Status/418", false},
      {R"(to { paths: "/status/*" })", "path", "/status/1", true},
      {R"(to { paths: "*/418" })", "path", "/status/418", true},
      {R"(to { paths: "/one/{*}" })", "path", "/one/two?x=/", true},
      {R"(to { paths: "/one/{*}" })", "path", "/one/two/three", false},
      {R"(to { not_paths: "/healthz" })", "path", "/healthz", false},
      {R"(to { ports: "80" })", "port", "80", true},
      {R"(to { ports: "80" })", "port", "8080", false},
      {R"(to { not_ports: "80" })", "port", "80", false},
  };
  CheckAll(cases);
}

TEST_CASE("conditions match their attribute") {
  const Case cases[] = {
      {R"(when { key: "source.ip" values: "10.1.2.3" })", "ip", "10.1.2.3", true},
      {R"(when { key: "source.ip" not_values: "10.1.2.3" })", "ip", "10.1.2.3", false},
      {R"(when { key: "remote.ip" values: "10.9.0.0/16" })", "remote", "10.9.9.9", true},
      {R"(when { key: "source.namespace" values: "client" })", "peer", "td/ns/client/sa/x", true},
      {R"(when { key: "source.principal" values: "td/ns/client/sa/x" })", "peer",
       "td/ns/client/sa/x", true},
      {R"(when { key: "source.serviceAccount" values: "client/x" })", "peer", "td/ns/client/sa/x",
       true},
      {R"(when { key: "source.trustDomain" values: "td" })", "peer", "td/ns/client/sa/x", true},
      {R"(when { key: "destination.port" values: "8000" })", "port", "8000", true},
      {R"(when { key: "destination.port" not_values: "8000" })", "port", "8000", false},
      {R"(when { key: "destination.ip" values: "10.96.0.1" })", "destination", "10.96.0.1", true},
      {R"(when { key: "connection.sni" values: "a.com" })", "host", "a.com", false},
      {R"(when { key: "request.headers[:method]" values: "PUT" })", "method", "PUT", true},
      {R"(when { key: "request.headers[Host]" values: "a.com" })", "host", "a.com", true},
  };
  for (const Case& one : cases) {
    INFO(one.rule << " with " << one.field << " " << one.value);
    CHECK(Allowed({test::Allow({RuleOf(one.rule)})}, Request().Set(one.field, one.value)) ==
          one.matches);
  }
}

TEST_CASE("a condition with values and notValues needs one of the first and none of the second") {
  const auto policy = test::Allow(
      {RuleOf(R"(when { key: "request.headers[x-foo]" values: "foo*" not_values: "foobar" })")});
  CHECK(Allowed({policy}, Request().Header("x-foo", "foo")));
  CHECK_FALSE(Allowed({policy}, Request().Header("x-foo", "foobar")));
  CHECK_FALSE(Allowed({policy}, Request()));
}

// Measured on Envoy.
TEST_CASE("every line of a repeated header is a value of its own") {
  const auto foo = RuleOf(R"(when { key: "request.headers[x-foo]" values: "foo" })");
  const auto not_bar = RuleOf(R"(when { key: "request.headers[x-foo]" not_values: "bar" })");
  const auto both = Request().Header("x-foo", "foo").Header("X-Foo", "bar");
  CHECK(Allowed({test::Allow({foo})}, both));
  CHECK_FALSE(Allowed({test::Allow({not_bar})}, both));
  CHECK_FALSE(Allowed({test::Allow({foo})}, Request().Header("x-foo", "foo,foo")));
}

TEST_CASE("presence of a header holds for an empty value") {
  const auto present = RuleOf(R"(when { key: "request.headers[x-foo]" values: "*" })");
  CHECK(Allowed({test::Allow({present})}, Request().Header("x-foo", "")));
  CHECK_FALSE(Allowed({test::Allow({present})}, Request()));
  const auto absent = RuleOf(R"(when { key: "request.headers[x-foo]" not_values: "*" })");
  CHECK_FALSE(Allowed({test::Allow({absent})}, Request().Header("x-foo", "")));
  CHECK(Allowed({test::Allow({absent})}, Request()));
}

TEST_CASE("header names match in either case") {
  const auto rule = RuleOf(R"(when { key: "request.headers[X-Token]" values: "t" })");
  CHECK_FALSE(Allowed({test::Deny({rule})}, Request().Header("x-TOKEN", "t")));
}

TEST_CASE("what needs a token is unfulfilled in an ALLOW and fulfilled in a DENY") {
  const char* const rules[] = {
      R"(from { request_principals: "*" })",
      R"(from { not_request_principals: "*" })",
      R"(when { key: "request.auth.claims[group]" values: "admin" })",
      R"(when { key: "request.auth.claims[group]" not_values: "admin" })",
      R"(when { key: "request.auth.audiences" values: "a" })",
      R"(when { key: "request.auth.presenter" values: "a" })",
      R"(when { key: "request.auth.principal" not_values: "a" })",
      R"(when { key: "experimental.envoy.filters.a.b[c]" values: "a" })",
  };
  for (const char* const rule : rules) {
    INFO(rule);
    CHECK_FALSE(Allowed({test::Allow({RuleOf(rule)})}, Request()));
    CHECK_FALSE(Allowed({test::Deny({RuleOf(rule)})}, Request()));
  }
}

TEST_CASE("the part of a DENY that can be decided still narrows what needs a token") {
  const auto policy =
      test::Deny({RuleOf(R"(from { not_request_principals: "*" } to { paths: "/admin" })")});
  CHECK(Allowed({policy}, Request().Path("/public")));
  CHECK_FALSE(Allowed({policy}, Request().Path("/admin")));
}

TEST_CASE("a source beside one that needs a token can still allow") {
  const auto policy =
      test::Allow({RuleOf(R"(from { request_principals: "*" } from { namespaces: "client" })")});
  CHECK(Allowed({policy}, Request()));
}

TEST_CASE("CUSTOM denies what it matches, for nobody can be asked") {
  const auto policy =
      test::PolicyOf(mesh::v1::AUTHORIZATION_ACTION_CUSTOM, {RuleOf(R"(to { paths: "/x" })")});
  CHECK_FALSE(Allowed({policy}, Request().Path("/x")));
  CHECK(Allowed({policy}, Request().Path("/y")));
}

TEST_CASE("AUDIT decides nothing") {
  const auto policy =
      test::PolicyOf(mesh::v1::AUTHORIZATION_ACTION_AUDIT, {mesh::v1::AuthorizationRule()});
  CHECK(Allowed({policy}, Request()));
}

TEST_CASE("a dry-run policy decides nothing and says what it would have decided") {
  auto deny = test::Deny({RuleOf(R"(to { paths: "/x" })")});
  deny.set_dry_run(true);
  auto allow = test::Allow({RuleOf(R"(to { paths: "/only" })")});
  allow.set_dry_run(true);
  CHECK(Allowed({deny, allow}, Request().Path("/x")));

  const PolicyIndex index = test::IndexOf({deny});
  const auto input = Request().Path("/x").Finish();
  const ShadowVerdict shadow = AuthorizeShadow(index.ForGateway(), input->authz);
  REQUIRE(shadow.allowed.has_value());
  CHECK_FALSE(*shadow.allowed);
  CHECK(shadow.policy->name.name == "policy-0");
  CHECK_FALSE(AuthorizeShadow(PolicySet(), input->authz).allowed.has_value());
}

TEST_CASE("a denial names the policy and the rule") {
  const PolicyIndex index = test::IndexOf(
      {test::Deny({RuleOf(R"(to { paths: "/a" })"), RuleOf(R"(to { paths: "/b" })")})});
  const auto input = Request().Path("/b").Finish();
  CHECK(Authorize(index.ForGateway(), input->authz).Details() ==
        "rbac_access_denied_matched_policy[ns[app]-policy[policy-0]-rule[1]]");

  const PolicyIndex allow = test::IndexOf({test::Allow({})});
  CHECK(Authorize(allow.ForGateway(), input->authz).Details() ==
        "rbac_access_denied_matched_policy[none]");
}

TEST_CASE("the trust domains of one mesh mean the same in principals") {
  const auto policy = test::Allow({RuleOf(R"(from { principals: "old/ns/client/sa/curl" })")});
  MeshSettings mesh;
  mesh.trust_domain = "new";
  CHECK_FALSE(Allowed({policy}, Request().Mesh(mesh).Peer("new/ns/client/sa/curl")));
  mesh.trust_domain_aliases = {"old"};
  CHECK(Allowed({policy}, Request().Mesh(mesh).Peer("new/ns/client/sa/curl")));
  CHECK_FALSE(Allowed({policy}, Request().Mesh(mesh).Peer("third/ns/client/sa/curl")));
  const auto local =
      test::Allow({RuleOf(R"(from { principals: "cluster.local/ns/client/sa/curl" })")});
  CHECK(Allowed({local}, Request().Mesh(mesh).Peer("old/ns/client/sa/curl")));
  CHECK_FALSE(Allowed({local}, Request().Mesh(mesh).Peer("third/ns/client/sa/curl")));
}

TEST_CASE("on a connection that is not HTTP, HTTP fields deny") {
  const auto rule = RuleOf(R"(to { methods: "GET" ports: "3306" })");
  CHECK_FALSE(Allowed({test::Allow({rule})}, Request().Tcp().Set("port", "3306")));
  CHECK_FALSE(Allowed({test::Deny({rule})}, Request().Tcp().Set("port", "3306")));
  CHECK(Allowed({test::Deny({rule})}, Request().Tcp().Set("port", "3307")));
  const auto header = RuleOf(R"(when { key: "request.headers[a]" not_values: "b" })");
  CHECK_FALSE(Allowed({test::Allow({header})}, Request().Tcp()));
  const auto l4 = RuleOf(R"(from { namespaces: "client" })");
  CHECK(Allowed({test::Allow({l4})}, Request().Tcp()));
}

}  // namespace
}  // namespace aquifer::waypoint
