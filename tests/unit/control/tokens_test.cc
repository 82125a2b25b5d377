#include "control/tokens.h"

#include <sys/stat.h>

#include "certs/file.h"
#include "control/callers.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"
#include "tests/unit/control/source/files.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

Caller OfNode(std::string name) { return NodeCaller{std::move(name)}; }
Caller OfWorkload(std::string space, std::string account) {
  return WorkloadCaller{{"cluster.local", std::move(space), std::move(account)}};
}

http::RequestHead Showing(std::string_view authorization) {
  http::RequestHead head;
  head.headers.Set("authorization", authorization);
  return head;
}

std::string ReadToken(const std::string& path) { return *certs::ReadSmallFile(path, 4096); }

const char* const kPods = R"(
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: web}, spec: {serviceAccountName: sa, nodeName: one}, status: {podIP: 10.0.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: web}, spec: {serviceAccountName: sb, nodeName: two}, status: {podIP: 10.0.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: web}, spec: {serviceAccountName: sc, nodeName: one}, status: {podIP: 10.0.0.3, phase: Failed}}
---
{apiVersion: v1, kind: Pod, metadata: {name: d, namespace: web}, spec: {serviceAccountName: sd, nodeName: one}, status: {phase: Pending}}
)";

struct Policy {
  Policy()
      : log(test::QuietLog()),
        metrics(registry),
        callers(tokens, objects, {}, log),
        policy(callers, tokens, objects, "cluster.local", log, metrics) {
    REQUIRE(tokens.Follow({OfWorkload("web", "way")}).ok());
  }
  std::string Decide(const Caller& caller, std::optional<certs::Identity> impersonated) const {
    const auto decided = policy.Decide(caller, impersonated);
    return decided.ok() ? decided->service_account : "no: " + decided.error().why;
  }

  TestDirectory state;
  Tokens tokens{state.Of("tokens")};
  std::shared_ptr<const ObjectSet> objects = std::make_shared<const ObjectSet>(ObjectsOf(kPods));
  obs::Logger log;
  obs::Registry registry;
  ControlMetrics metrics;
  Callers callers;
  TokenPolicy policy;
};

certs::Identity Of(std::string account, std::string space = "web",
                   std::string domain = "cluster.local") {
  return {std::move(domain), std::move(space), std::move(account)};
}

}  // namespace

TEST_CASE("a token is made once, for its owner only, and found by it") {
  const TestDirectory state;
  Tokens tokens(state.Of("tokens"));
  REQUIRE(tokens.Follow({OfNode("one"), OfWorkload("web", "way")}).ok());
  const std::string path = state.Of("tokens/node/one");
  const std::string token = ReadToken(path);
  CHECK(token.size() == 64);
  struct stat info = {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  REQUIRE(::stat(state.Of("tokens").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  CHECK(tokens.CallerOf(Showing("Bearer " + token)) == OfNode("one"));
  CHECK(tokens.CallerOf(Showing("bearer " + token)) == OfNode("one"));
  CHECK(tokens.CallerOf(Showing("Bearer " + ReadToken(state.Of("tokens/workload/web/way")))) ==
        OfWorkload("web", "way"));
}

TEST_CASE("what is no token finds nobody") {
  const TestDirectory state;
  Tokens tokens(state.Of("tokens"));
  REQUIRE(tokens.Follow({OfNode("one")}).ok());
  const std::string token = ReadToken(state.Of("tokens/node/one"));
  for (const std::string& shown :
       {std::string(), std::string("Bearer "), token, "Basic " + token, "Bearer " + token.substr(1),
        "Bearer " + token + "0", "Bearer " + std::string(64, '0')}) {
    CHECK_FALSE(tokens.CallerOf(Showing(shown)).has_value());
  }
  CHECK_FALSE(tokens.CallerOf(http::RequestHead()).has_value());
}

TEST_CASE("a restart keeps tokens, and an operator's own counts") {
  const TestDirectory state;
  const std::string own(40, 'x');
  std::filesystem::create_directories(state.Of("tokens/node"));
  state.Write("tokens/node/two", own + "\n");
  std::string first;
  {
    Tokens tokens(state.Of("tokens"));
    REQUIRE(tokens.Follow({OfNode("one")}).ok());
    first = ReadToken(state.Of("tokens/node/one"));
  }
  Tokens tokens(state.Of("tokens"));
  REQUIRE(tokens.Follow({OfNode("one"), OfNode("two")}).ok());
  CHECK(tokens.CallerOf(Showing("Bearer " + first)) == OfNode("one"));
  CHECK(tokens.CallerOf(Showing("Bearer " + own)) == OfNode("two"));
}

TEST_CASE("a bad token file keeps only its own caller out") {
  const TestDirectory state;
  std::filesystem::create_directories(state.Of("tokens/node/a-directory"));
  state.Write("tokens/node/short", "abc");
  state.Write("tokens/node/one", std::string(40, 'x'));
  state.Write("tokens/node/two", std::string(40, 'x'));
  Tokens tokens(state.Of("tokens"));
  CHECK_FALSE(tokens.Follow({OfNode("a-directory")}).ok());
  const auto too_short = tokens.Follow({OfNode("short"), OfNode("zoe")});
  REQUIRE_FALSE(too_short.ok());
  CHECK(too_short.error().why == "is too short to be a token");
  CHECK(tokens.CallerOf(Showing("Bearer " + ReadToken(state.Of("tokens/node/zoe")))) ==
        OfNode("zoe"));
  const auto shared = tokens.Follow({OfNode("one"), OfNode("two")});
  REQUIRE_FALSE(shared.ok());
  CHECK(shared.error().why == "holds the token of node one");
}

TEST_CASE("who is called for no longer has no token, and has the same one when called for again") {
  const TestDirectory state;
  Tokens tokens(state.Of("tokens"));
  REQUIRE(tokens.Follow({OfNode("one"), OfWorkload("web", "way")}).ok());
  const std::string shown = "Bearer " + ReadToken(state.Of("tokens/workload/web/way"));
  REQUIRE(tokens.Follow({OfNode("one")}).ok());
  CHECK_FALSE(tokens.CallerOf(Showing(shown)).has_value());
  CHECK(tokens.CallerOf(Showing("Bearer " + ReadToken(state.Of("tokens/node/one")))) ==
        OfNode("one"));
  REQUIRE(tokens.Follow({OfNode("one"), OfWorkload("web", "way")}).ok());
  CHECK(tokens.CallerOf(Showing(shown)) == OfWorkload("web", "way"));
}

TEST_CASE("a token is exchanged by its file") {
  const TestDirectory state;
  Tokens tokens(state.Of("tokens"));
  REQUIRE(tokens.Follow({OfNode("one")}).ok());
  const std::string first = "Bearer " + ReadToken(state.Of("tokens/node/one"));
  const std::string own(64, 'x');
  state.Write("tokens/node/one", own);
  REQUIRE(tokens.Follow({OfNode("one")}).ok());
  CHECK_FALSE(tokens.CallerOf(Showing(first)).has_value());
  CHECK(tokens.CallerOf(Showing("Bearer " + own)) == OfNode("one"));
  state.Write("tokens/node/one", "short");
  CHECK_FALSE(tokens.Follow({OfNode("one")}).ok());
  CHECK_FALSE(tokens.CallerOf(Showing("Bearer " + own)).has_value());
  state.Remove("tokens/node/one");
  REQUIRE(tokens.Follow({OfNode("one")}).ok());
  const std::string made = ReadToken(state.Of("tokens/node/one"));
  CHECK(made.size() == 64);
  CHECK(tokens.CallerOf(Showing("Bearer " + made)) == OfNode("one"));
}

TEST_CASE("no name leaves the directory") {
  const TestDirectory state;
  Tokens tokens(state.Of("tokens"));
  for (const char* name : {"../evil", "..", "", "a/b"})
    CHECK_FALSE(tokens.Follow({OfNode(name)}).ok());
  CHECK_FALSE(std::filesystem::exists(state.Of("tokens")));
}

TEST_CASE("tokens are for nodes and for the accounts that gateways run as") {
  const ObjectSet objects = ObjectsOf(std::string(kPods) + R"(
---
{apiVersion: v1, kind: Pod, metadata: {name: early, namespace: web, labels: {gateway.networking.k8s.io/gateway-name: later}}, spec: {serviceAccountName: early-sa}, status: {podIP: 10.0.0.7}}
---
{apiVersion: v1, kind: Node, metadata: {name: empty}}
---
{apiVersion: v1, kind: Pod, metadata: {name: over, namespace: web}, spec: {nodeName: gone}, status: {podIP: 10.0.0.8, phase: Succeeded}}
---
{apiVersion: v1, kind: Service, metadata: {name: ingress, namespace: edge}, spec: {clusterIP: 10.96.0.1, selector: {istio: ingress}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: in, namespace: edge, labels: {istio: ingress}}, spec: {serviceAccountName: in-sa}, status: {podIP: 10.0.0.9}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: gw, namespace: edge}, spec: {gatewayClassName: istio, addresses: [{type: Hostname, value: ingress}], listeners: [{name: http, port: 80, protocol: HTTP}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: foreign, namespace: edge}, spec: {gatewayClassName: nginx, listeners: [{name: http, port: 80, protocol: HTTP}]}}
)");
  CHECK(CallersOf(objects, {}) == std::set<Caller>{OfNode("empty"), OfNode("one"), OfNode("two"),
                                                   OfWorkload("edge", "in-sa"),
                                                   OfWorkload("web", "early-sa")});
}

TEST_CASE("a node gets the identities of the pods that are scheduled on it") {
  const Policy policy;
  CHECK(policy.Decide(OfNode("one"), Of("sa")) == "sa");
  CHECK(policy.Decide(OfNode("one"), Of("sd")) == "sd");
  CHECK(policy.Decide(OfNode("two"), Of("sa")) == "no: no pod of that account is scheduled on two");
  CHECK(policy.Decide(OfNode("one"), Of("sc")) == "no: no pod of that account is scheduled on one");
  CHECK(policy.Decide(OfNode("one"), Of("sa", "other")) ==
        "no: no pod of that account is scheduled on one");
  CHECK(policy.Decide(OfNode("one"), Of("sa", "web", "evil")) ==
        "no: the trust domain is cluster.local");
  CHECK(policy.Decide(OfNode("one"), std::nullopt) ==
        "no: a node asks in the name of a workload (ImpersonatedIdentity)");
}

TEST_CASE("a workload gets its own identity and no other") {
  const Policy policy;
  CHECK(policy.Decide(OfWorkload("web", "way"), std::nullopt) == "way");
  CHECK(policy.Decide(OfWorkload("web", "way"), Of("way")) == "way");
  CHECK(policy.Decide(OfWorkload("web", "way"), Of("sa")) ==
        "no: this token is for spiffe://cluster.local/ns/web/sa/way");
  CHECK(policy.Decide(OfWorkload("web", "gone"), std::nullopt) ==
        "no: no gateway or waypoint runs as spiffe://cluster.local/ns/web/sa/gone");
}

}  // namespace aquifer::control
