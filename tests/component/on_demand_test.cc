// Discovery on demand from end to end in one process: a worker of the node proxy that asks, the
// client's stream over TLS, and the control plane over a directory that changes.
#include <algorithm>
#include <filesystem>

#include "mesh/classify.h"
#include "mesh/xds_client.h"
#include "mesh/xds_sink.h"
#include "node-proxy/demand.h"
#include "tests/component/control_world.h"
#include "tests/unit/node/world.h"

namespace aquifer::control {
namespace {

const Address kAddress{Ip::V4(10, 0, 0, 7), 80};

std::string PodAt(const std::string& name) {
  return "{apiVersion: v1, kind: Pod, metadata: {name: " + name +
         "}, spec: {serviceAccountName: " + name +
         ", nodeName: node-b}, status: {podIP: 10.0.0.7}}";
}

// At once: a reading never finds half of it, or nothing in place of what was there.
void Place(const Site& site, const std::string& text) {
  site.manifests.Write("more.tmp", text);
  std::filesystem::rename(site.manifests.Of("more.tmp"), site.manifests.Of("more.yaml"));
}

certs::ChannelOptions To(const Site& site, const Plane& plane) {
  certs::ChannelOptions options;
  options.address = plane.discovery().ToString();
  options.host_name = "istiod.istio-system.svc";
  options.roots = site.state.Of("ca/root-cert.pem");
  options.token = site.TokenOf("node/node-a");
  return options;
}

envoy::config::core::v3::Node OwnNode() {
  envoy::config::core::v3::Node node;
  node.set_id("test");
  return node;
}

// Everything of a node proxy between a connection and the control plane.
class Proxy : private mesh::XdsObserver {
 public:
  Proxy(const Site& site, const Plane& plane, Clock::duration nothing_holds)
      : channel_(To(site, plane), &certs::SystemWallTime),
        state_({std::string(mesh::kAddressType), std::string(mesh::kAuthorizationType)}, OwnNode(),
               std::string(mesh::kAddressType), {.nothing_holds = nothing_holds}) {
    world_.context.demand = &demand_;
    tasks_.Spawn(client_.Run(stop_.token()));
  }
  Task<void> End() {
    co_await demand_.Shutdown();
    stop_.RequestStop();
    co_await tasks_.Join();
    co_await channel_.Shutdown();
    co_await world_.End();
  }

  // Where a connection that begins now would go: the account of the pod, or "" in the clear.
  Task<std::string> GoesTo() {
    const mesh::Workload source = mesh::Pod("client", "10.0.0.2");
    const Status known = co_await node::KnowTheWay(world_.context, source, kAddress, StopToken());
    INFO((known.ok() ? "" : Describe(known.error())));
    REQUIRE(known.ok());
    const auto random = [] { return std::uint64_t{0}; };
    const Result<mesh::Route> route =
        mesh::Classify(*world_.context.snapshot, source, kAddress, {}, random);
    REQUIRE(route.ok());
    if (route->protocol != mesh::Protocol::kHbone) co_return "";
    REQUIRE(route->destination != nullptr);
    co_return route->destination->identity().service_account;
  }
  // Until a new connection goes there; all before it go to one of `meanwhile`.
  Task<void> Await(std::string account, Names meanwhile) {
    TimedStop timed(StopToken(), std::chrono::seconds(30), Reason::kTimeout);
    while (true) {
      const std::string to = co_await GoesTo();
      if (to == account) co_return;
      INFO(to);
      REQUIRE(std::find(meanwhile.begin(), meanwhile.end(), to) != meanwhile.end());
      const Status slept = co_await SleepFor(std::chrono::milliseconds(2), timed.token());
      REQUIRE(slept.ok());
    }
  }

 private:
  void OnConnected() override {}
  void OnDisconnected(std::string_view, const std::string&) override {}
  void OnResponse(std::string_view, std::size_t, std::size_t, std::size_t) override {}
  void OnRefused(std::string_view, const Refusal& refusal) override {
    INFO(refusal.ToString());
    CHECK(false);
  }
  void OnSynced() override {}
  void Publish(mesh::SnapshotRef snapshot) {
    world_.context.snapshot = std::move(snapshot);
    world_.context.snapshot_changed.Wake();
  }

  node::test::World world_;
  certs::Channel channel_;
  mesh::MeshSink sink_{world_.builder,
                       [this](mesh::SnapshotRef made) { Publish(std::move(made)); }};
  mesh::XdsState state_;
  mesh::XdsObserver& observer_ = *this;
  mesh::XdsClient client_{channel_, state_, sink_, observer_};
  node::Demand demand_{
      [this](std::string name, StopToken stop) { return client_.Know(std::move(name), stop); }};
  StopSource stop_;
  Scope tasks_;
};

// Every question is asked: that there is nothing holds for no time at all.
Task<void> FollowAnAddress(const Site& site, const Plane& plane) {
  Proxy proxy(site, plane, Clock::duration::zero());
  const std::string first = co_await proxy.GoesTo();
  CHECK(first == "");
  Place(site, PodAt("red"));
  co_await proxy.Await("red", {""});
  Place(site, PodAt("blue"));
  co_await proxy.Await("blue", {"red"});
  site.manifests.Remove("more.yaml");
  co_await proxy.Await("", {"blue"});
  Place(site, PodAt("green"));
  co_await proxy.Await("green", {""});
  co_await proxy.End();
}

// Nothing but what the control plane says by itself makes an answer of the first kind another.
Task<void> AskAnewOnceItHasGone(const Site& site, const Plane& plane) {
  Place(site, PodAt("red"));
  Proxy proxy(site, plane, std::chrono::hours(1));
  const std::string first = co_await proxy.GoesTo();
  CHECK((first == "red" || first == ""));  // the file may not have been read yet
  co_await proxy.Await("red", {""});
  site.manifests.Remove("more.yaml");
  co_await proxy.Await("", {"red"});
  Place(site, PodAt("blue"));
  co_await proxy.Await("blue", {""});
  co_await proxy.End();
}

}  // namespace

TEST_CASE("a connection on demand goes to the pod that has its address now") {
  Tell(&FollowAnAddress);
}
TEST_CASE("an address whose pod has gone is asked for anew, and stays subscribed") {
  Tell(&AskAnewOnceItHasGone);
}

}  // namespace aquifer::control
