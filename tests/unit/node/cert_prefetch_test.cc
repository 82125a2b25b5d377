#include "node-proxy/cert_prefetch.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/rt/timer.h"
#include "mesh/builder.h"
#include "tests/support/catch.h"
#include "tests/support/run_task.h"
#include "tests/unit/certs/support.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::node {
namespace {

using namespace std::chrono_literals;
using certs::test::kNow;

// Takes its time and notes who was asked for; refuses whom the test names.
class SlowAuthority final : public certs::Authority {
 public:
  Task<Result<certs::CertificateBundle, certs::Failure>> Fetch(certs::Identity identity,
                                                               StopToken stop) override {
    ++asked[identity.service_account];
    most_at_a_time = std::max(most_at_a_time, ++at_a_time);
    const Status waited = co_await SleepFor(10ms, stop);
    --at_a_time;
    if (!waited) co_return certs::Failure{waited.error(), "stopped"};
    if (refused.contains(identity.service_account))
      co_return certs::Failure{Error{Reason::kConnectRefused}, "refused"};
    co_return certs::test::SharedCa().Bundle(identity);
  }

  std::map<std::string, int> asked;
  std::set<std::string> refused;
  int at_a_time = 0;
  int most_at_a_time = 0;
};

mesh::Workload PodOf(const std::string& name, const std::string& account,
                     const std::string& node = "here") {
  mesh::Workload pod = mesh::Pod(name, "10.0.0.1");
  pod.addresses.clear();
  pod.service_account = account;
  pod.node = node;
  return pod;
}

struct Fixture {
  Fixture()
      : store(authority, [] { return kNow; }, {.seed = 1}),
        builder(mesh::BuilderOptions{.local_node = "here"}),
        prefetch(store) {
    scope.Spawn(Serve());
  }
  Task<void> Serve() { std::ignore = co_await store.Run(stop.token()); }
  // The mesh becomes what the builder has been told, and fetches get the time they need.
  Task<void> Settle(Clock::duration time = 1s) {
    prefetch.Update(*builder.Build());
    std::ignore = co_await SleepFor(time, StopToken());
  }
  Task<void> End() {
    stop.RequestStop();
    co_await scope.Join();
  }
  std::set<std::string> Held() const {
    std::set<std::string> accounts;
    for (const certs::Identity& identity : store.Identities())
      accounts.insert(identity.service_account);
    return accounts;
  }

  SlowAuthority authority;
  StopSource stop;
  certs::CertStore store;
  mesh::Builder builder;
  CertPrefetch prefetch;
  Scope scope;
};

using Names = std::set<std::string>;

Task<void> FetchesForThisNode() {
  Fixture f;
  f.builder.Put(PodOf("a", "one"));
  f.builder.Put(PodOf("b", "far", "elsewhere"));
  mesh::Workload plain = PodOf("c", "plain");
  plain.protocol = mesh::TunnelProtocol::kNone;
  f.builder.Put(plain);
  mesh::Workload waypoint = PodOf("d", "waypoint");
  waypoint.native_tunnel = true;
  f.builder.Put(waypoint);
  co_await f.Settle();
  CHECK(f.Held() == Names{"one"});
  CHECK(f.store.Dump().at(0).state == certs::CertStatus::State::kAvailable);
  co_await f.End();
}

TEST_CASE("certificates are fetched for the pods that this node captures before they connect") {
  test::RunVirtual(FetchesForThisNode());
}

Task<void> OncePerIdentity() {
  Fixture f;
  f.builder.Put(PodOf("a", "one"));
  co_await f.Settle();
  f.builder.Put(PodOf("b", "one"));
  f.builder.Put(PodOf("c", "two"));
  co_await f.Settle();
  CHECK(f.authority.asked == std::map<std::string, int>{{"one", 1}, {"two", 1}});
  co_await f.End();
}

TEST_CASE("a second pod of an identity adds no fetch") { test::RunVirtual(OncePerIdentity()); }

Task<void> ForgetsWithTheLast() {
  Fixture f;
  f.builder.Put(PodOf("a", "one"));
  f.builder.Put(PodOf("b", "one"));
  f.builder.Put(PodOf("c", "two"));
  f.builder.Put(PodOf("d", "two", "elsewhere"));
  co_await f.Settle();
  f.builder.RemoveAddress("Kubernetes//Pod/default/a");
  f.builder.RemoveAddress("Kubernetes//Pod/default/c");
  co_await f.Settle();
  CHECK(f.Held() == Names{"one"});
  f.builder.RemoveAddress("Kubernetes//Pod/default/b");
  f.builder.RemoveAddress("Kubernetes//Pod/default/d");
  co_await f.Settle();
  CHECK(f.Held() == Names{});
  f.builder.Put(PodOf("a", "one"));
  co_await f.Settle();
  CHECK(f.authority.asked["one"] == 2);
  co_await f.End();
}

TEST_CASE("a certificate goes with the last pod of its identity on this node") {
  test::RunVirtual(ForgetsWithTheLast());
}

Task<void> ForgetsLateRequests() {
  Fixture f;
  f.builder.Put(PodOf("a", "one"));
  co_await f.Settle();
  f.builder.RemoveAddress("Kubernetes//Pod/default/a");
  co_await f.Settle();
  f.store.Request({"cluster.local", "default", "one"}, certs::Urgency::kConnection);
  f.builder.Put(PodOf("b", "two"));
  co_await f.Settle();
  CHECK(f.Held() == Names{"two"});
  co_await f.End();
}

TEST_CASE("what a leaving pod's connection asked for goes with the next change") {
  test::RunVirtual(ForgetsLateRequests());
}

Task<void> Bounded() {
  Fixture f;
  for (int i = 0; i < 400; ++i) f.builder.Put(PodOf("p" + std::to_string(i), std::to_string(i)));
  co_await f.Settle(2s);
  CHECK(f.authority.most_at_a_time == 8);
  CHECK(f.Held().size() < 400);  // the rest is left to their connections, or the next change
  f.builder.Put(PodOf("late", "late"));
  co_await f.Settle(2s);
  CHECK(f.Held().size() == 401);
  CHECK(f.authority.most_at_a_time == 8);
  co_await f.End();
}

TEST_CASE("a node full of pods does not ask the CA for everything at a time") {
  test::RunVirtual(Bounded());
}

Task<void> BacksOffAlone() {
  Fixture f;
  f.authority.refused.insert("bad");
  f.builder.Put(PodOf("a", "bad"));
  f.builder.Put(PodOf("b", "good"));
  co_await f.Settle(10min);
  // 1, 2, 4, ... 128, then 150 seconds apart, each +-20 %.
  CHECK(f.authority.asked["bad"] >= 9);
  CHECK(f.authority.asked["bad"] <= 13);
  CHECK(f.authority.asked["good"] == 1);
  const int before = f.authority.asked["bad"];
  for (int i = 0; i < 20; ++i) {
    f.builder.Put(PodOf("c" + std::to_string(i), "good"));
    co_await f.Settle(100ms);
  }
  CHECK(f.authority.asked["bad"] <= before + 1);
  f.authority.refused.clear();
  co_await f.Settle(200s);
  CHECK(f.store.Dump().at(0).state == certs::CertStatus::State::kAvailable);
  co_await f.End();
}

TEST_CASE("an identity that the CA refuses backs off by itself, whatever else changes") {
  test::RunVirtual(BacksOffAlone());
}

}  // namespace
}  // namespace aquifer::node
