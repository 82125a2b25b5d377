#include "redirect/zds_proxy.h"

#include "tests/unit/redirect/support.h"

namespace aquifer::redirect {
namespace {

using test::AnyNetns;
using test::MakePod;

// A proxy whose snapshot holds the given pods, all of them running.
ZdsProxy Serving(const std::vector<Pod>& pods) {
  ZdsProxy proxy;
  proxy.OnConnected();
  for (const Pod& pod : pods) {
    REQUIRE(proxy.OnAdd(pod).start.has_value());
    proxy.Started(pod.uid);
  }
  REQUIRE(proxy.OnSnapshotSent().ok());
  return proxy;
}

bool Nothing(const ZdsProxy::Steps& steps) {
  return steps.stop.empty() && !steps.start && steps.error.empty();
}

}  // namespace

TEST_CASE("a pod of an Add is started") {
  ZdsProxy proxy;
  proxy.OnConnected();
  const ZdsProxy::Steps steps = proxy.OnAdd(MakePod("a"));
  REQUIRE(steps.start.has_value());
  CHECK(steps.start->uid == "a");
  CHECK(steps.stop.empty());
  CHECK(proxy.running() == 0);
  proxy.Started("a");
  CHECK(proxy.running() == 1);
}

TEST_CASE("an Add of a running pod changes nothing") {
  const Pod pod = MakePod("a");
  ZdsProxy proxy = Serving({pod});
  CHECK(Nothing(proxy.OnAdd(pod)));
  CHECK(proxy.running() == 1);
}

TEST_CASE("an Add with another network namespace ends the old proxy and starts a new one") {
  ZdsProxy proxy = Serving({MakePod("a")});
  const Pod replaced = MakePod("a");
  const ZdsProxy::Steps steps = proxy.OnAdd(replaced);
  CHECK(steps.stop == std::vector<std::string>{"a"});
  REQUIRE(steps.start.has_value());
  CHECK(steps.start->netns->id() == replaced.netns->id());
  CHECK_FALSE(proxy.ready());
  proxy.Started("a");
  CHECK(proxy.ready());
}

TEST_CASE("an Add with another identity in the same namespace restarts the proxy") {
  const Pod pod = MakePod("a");
  ZdsProxy proxy = Serving({pod});
  Pod renamed = pod;
  renamed.info.service_account = "other";
  const ZdsProxy::Steps steps = proxy.OnAdd(renamed);
  CHECK(steps.stop == std::vector<std::string>{"a"});
  CHECK(steps.start.has_value());
}

TEST_CASE("an Add of a pending pod is another attempt") {
  ZdsProxy proxy = Serving({});
  const Pod pod = MakePod("a");
  REQUIRE(proxy.OnAdd(pod).start.has_value());
  proxy.FailedToStart("a");
  CHECK_FALSE(proxy.ready());
  const ZdsProxy::Steps again = proxy.OnAdd(pod);
  CHECK(again.start.has_value());
  CHECK(again.stop.empty());
  proxy.Started("a");
  CHECK(proxy.ready());
}

TEST_CASE("a pod that failed to start is pending and not ready until a retry succeeds") {
  ZdsProxy proxy = Serving({});
  REQUIRE(proxy.OnAdd(MakePod("a")).start.has_value());
  proxy.FailedToStart("a");
  CHECK(proxy.pending() == 1);
  REQUIRE(proxy.Pending().size() == 1);
  CHECK(proxy.Pending()[0].uid == "a");
  proxy.Started("a");
  CHECK(proxy.Pending().empty());
  CHECK(proxy.ready());
}

TEST_CASE("a pod that failed and is then deleted leaves the proxy ready") {
  ZdsProxy proxy = Serving({});
  REQUIRE(proxy.OnAdd(MakePod("a")).start.has_value());
  proxy.FailedToStart("a");
  CHECK(Nothing(proxy.OnDel("a")));
  CHECK(proxy.pending() == 0);
  CHECK(proxy.ready());
}

TEST_CASE("a Del ends the pod's proxy") {
  ZdsProxy proxy = Serving({MakePod("a"), MakePod("b")});
  CHECK(proxy.OnDel("a").stop == std::vector<std::string>{"a"});
  CHECK(proxy.running() == 1);
}

TEST_CASE("a Del of an unknown pod is harmless") {
  ZdsProxy proxy = Serving({MakePod("a")});
  CHECK(Nothing(proxy.OnDel("b")));
  CHECK(proxy.running() == 1);
}

TEST_CASE("a Del before the snapshot takes the mention back and the snapshot ends the pod") {
  const Pod pod = MakePod("a");
  ZdsProxy proxy = Serving({pod});
  proxy.OnConnected();
  CHECK(Nothing(proxy.OnAdd(pod)));
  CHECK(Nothing(proxy.OnDel("a")));
  CHECK(proxy.running() == 1);
  const auto steps = proxy.OnSnapshotSent();
  REQUIRE(steps.ok());
  CHECK(steps->stop == std::vector<std::string>{"a"});
}

TEST_CASE("a Del before the snapshot forgets a pending pod") {
  ZdsProxy proxy;
  proxy.OnConnected();
  REQUIRE(proxy.OnAdd(MakePod("a")).start.has_value());
  proxy.FailedToStart("a");
  CHECK(Nothing(proxy.OnDel("a")));
  REQUIRE(proxy.OnSnapshotSent().ok());
  CHECK(proxy.ready());
}

TEST_CASE("a pod that a new snapshot leaves out is ended") {
  const Pod kept = MakePod("a");
  ZdsProxy proxy = Serving({kept, MakePod("b")});
  proxy.OnConnected();
  CHECK(Nothing(proxy.OnAdd(kept)));
  const auto steps = proxy.OnSnapshotSent();
  REQUIRE(steps.ok());
  CHECK(steps->stop == std::vector<std::string>{"b"});
  CHECK(proxy.running() == 1);
}

TEST_CASE("a pending pod that a new snapshot leaves out is forgotten") {
  ZdsProxy proxy = Serving({});
  REQUIRE(proxy.OnAdd(MakePod("a")).start.has_value());
  proxy.FailedToStart("a");
  proxy.OnConnected();
  const auto steps = proxy.OnSnapshotSent();
  REQUIRE(steps.ok());
  CHECK(steps->stop.empty());
  CHECK(proxy.pending() == 0);
}

TEST_CASE("a Keep carries a running pod into the new snapshot") {
  ZdsProxy proxy = Serving({MakePod("a")});
  proxy.OnConnected();
  REQUIRE(proxy.OnKeep("a").ok());
  const auto steps = proxy.OnSnapshotSent();
  REQUIRE(steps.ok());
  CHECK(steps->stop.empty());
  CHECK(proxy.running() == 1);
}

TEST_CASE("a Keep of an unknown pod is harmless") {
  ZdsProxy proxy;
  proxy.OnConnected();
  const auto kept = proxy.OnKeep("a");
  REQUIRE(kept.ok());
  CHECK(Nothing(*kept));
  REQUIRE(proxy.OnSnapshotSent().ok());
  CHECK(proxy.running() == 0);
  CHECK(proxy.ready());
}

TEST_CASE("a Keep or a second SnapshotSent after the snapshot breaks the protocol") {
  ZdsProxy proxy = Serving({MakePod("a")});
  CHECK(proxy.OnKeep("a").error().ToString() == "keep: came after the snapshot");
  CHECK(proxy.OnSnapshotSent().error().ToString() == "snapshot_sent: came twice");
}

TEST_CASE("an Add that cannot be served is an error of that pod alone") {
  const Pod pod = MakePod("a");
  ZdsProxy proxy = Serving({pod});
  proxy.OnConnected();
  Pod odd = MakePod("b");
  odd.info.ns = "shop/sa/root";
  const ZdsProxy::Steps steps = proxy.OnAdd(odd);
  CHECK_FALSE(steps.start.has_value());
  CHECK(steps.error == "workload_info.namespace: is not a Kubernetes name (a-z, 0-9, '-', '.')");
  CHECK(proxy.OnUnusableAdd("a", "no namespace").error == "no namespace");
  const auto snapshot = proxy.OnSnapshotSent();
  REQUIRE(snapshot.ok());
  CHECK(snapshot->stop.empty());
  CHECK(proxy.ready());
}

TEST_CASE("a proxy is ready only while connected and after the snapshot") {
  ZdsProxy proxy;
  CHECK_FALSE(proxy.ready());
  proxy.OnConnected();
  CHECK_FALSE(proxy.ready());
  REQUIRE(proxy.OnSnapshotSent().ok());
  CHECK(proxy.ready());
  proxy.OnDisconnected();
  CHECK_FALSE(proxy.ready());
}

TEST_CASE("a lost connection to the agent ends no pod") {
  ZdsProxy proxy = Serving({MakePod("a")});
  proxy.OnDisconnected();
  CHECK(proxy.running() == 1);
  proxy.OnConnected();
  CHECK(proxy.running() == 1);
}

}  // namespace aquifer::redirect
