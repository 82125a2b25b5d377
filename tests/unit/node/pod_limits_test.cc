#include "node-proxy/pod_limits.h"

#include <tuple>

#include "node-proxy/pod_proxy.h"
#include "tests/support/run_task.h"
#include "tests/unit/node/world.h"

namespace aquifer::node {
namespace {

using test::Dial;
using test::Hear;
using test::kServerIp;
using test::World;

// A pod of that name as one worker serves it.
std::unique_ptr<PodProxy> Proxy(World& world, const std::string& name, const std::string& account) {
  redirect::Pod pod;
  pod.uid = "uid-" + name;
  pod.info = redirect::PodInfo{.name = name, .ns = "default", .service_account = account};
  auto proxy = std::make_unique<PodProxy>(world.context, pod,
                                          redirect::PodSockets({.mark = 0, .reuse_port = false}));
  REQUIRE(proxy->Start().ok());
  return proxy;
}

Address Hbone(const PodProxy& proxy) {
  return Address{kServerIp, proxy.port(PodProxy::Kind::kInbound)};
}

std::size_t Refusals(const World& world, const std::string& kind) {
  const std::string text = world.registry.Text();
  const std::string series = "aquifer_pod_limit_refusals_total{kind=\"" + kind + "\"} ";
  const std::size_t at = text.find(series);
  REQUIRE(at != std::string::npos);
  return std::stoul(text.substr(at + series.size()));
}

Task<void> End(World& world, std::vector<std::unique_ptr<PodProxy>> pods) {
  for (const auto& pod : pods) pod->Stop(Reason::kStopped);
  for (const auto& pod : pods) co_await pod->Finish();
  pods.clear();
  co_await world.End();
}

// That many peers of a pod, who say nothing.
Task<std::vector<io::SocketPtr>> Crowd(PodProxy& pod, std::size_t count) {
  std::vector<io::SocketPtr> silent;
  while (silent.size() < count) {
    silent.push_back(co_await Dial(Hbone(pod)));
    co_await World::Until([&] { return pod.connections() == silent.size(); });
  }
  co_return silent;
}

Task<void> OneAtItsLimit() {
  // Six listeners are open beside what is accepted.
  World world(NodeBounds{36, 1000, 1000});
  world.Populate(80, 80);
  std::vector<std::unique_ptr<PodProxy>> pods;
  pods.push_back(Proxy(world, "server", "web"));
  pods.push_back(Proxy(world, "client", "default"));
  std::vector<io::SocketPtr> silent = co_await Crowd(*pods[0], 20);
  CHECK(Refusals(world, "connections") == 0);
  const io::SocketPtr refused = co_await Dial(Hbone(*pods[0]));
  CHECK(co_await Hear(*refused) == "peer_reset");
  CHECK(Refusals(world, "connections") == 1);
  CHECK(
      world.lines.With({"\twarn\t", "has reached its part", "pod=server", "connections"}).size() ==
      1);
  // The other pod takes connections, and the first again once one of its own has ended.
  const io::SocketPtr other = co_await Dial(Hbone(*pods[1]));
  co_await World::Until([&] { return pods[1]->connections() == 1; });
  silent.resize(10);
  co_await World::Until([&] { return pods[0]->connections() == 10; });
  const io::SocketPtr again = co_await Dial(Hbone(*pods[0]));
  co_await World::Until([&] { return pods[0]->connections() == 11; });
  CHECK(Refusals(world, "connections") == 1);
  silent.clear();
  co_await End(world, std::move(pods));
  CHECK(world.budget.used(Bound::kDescriptors) == 0);
}

TEST_CASE("a pod at its limit does not stop another") { aquifer::test::Run(OneAtItsLimit()); }

Task<void> OldestGivesWay() {
  World world(NodeBounds{1000, 3, 1000});
  world.Populate(80, 80);
  std::vector<std::unique_ptr<PodProxy>> pods;
  pods.push_back(Proxy(world, "server", "web"));
  std::vector<io::SocketPtr> peers;
  for (std::size_t i = 0; i < 3; ++i) {
    peers.push_back(co_await Dial(Hbone(*pods[0])));
    co_await World::Until(
        [&] { return world.budget.used(Bound::kHandshakes) == std::min<std::size_t>(i + 1, 2); });
  }
  const std::string end = co_await Hear(*peers[0]);
  CHECK((end == "FIN" || end == "peer_reset"));
  co_await World::Until([&] { return pods[0]->connections() == 2; });
  CHECK(Refusals(world, "handshakes") == 1);
  peers.clear();
  co_await End(world, std::move(pods));
  CHECK(world.budget.used(Bound::kHandshakes) == 0);
}

TEST_CASE("of peers that do not say who they are the oldest gives way to the newest") {
  aquifer::test::Run(OldestGivesWay());
}

Task<void> KnownPeersStay() {
  World world(NodeBounds{1000, 3, 1000});
  PodLimits limits(world.limits, world.lines.logger(), "uid", "default", "pod");
  Handshakes::Entry known{StopToken()};
  Handshakes::Entry first{StopToken()};
  Handshakes::Entry second{StopToken()};
  Handshakes::Entry third{StopToken()};
  limits.Begin(known);
  known.Done();
  CHECK(world.budget.used(Bound::kHandshakes) == 0);
  limits.Begin(first);
  limits.Begin(second);
  limits.Begin(third);
  CHECK_FALSE(known.token().requested());
  CHECK(first.token().reason() == Reason::kOverload);
  CHECK_FALSE(second.token().requested());
  CHECK_FALSE(third.token().requested());
  CHECK(world.budget.used(Bound::kHandshakes) == 2);
  co_await world.End();
}

TEST_CASE("a peer that is known gives way to nobody") { aquifer::test::Run(KnownPeersStay()); }

Task<void> BoundsDials() {
  World world(NodeBounds{1000, 3, 1});
  const auto pod = world.Endpoint("client", "default");
  Place held = pod->limits().TryEnter(Bound::kDials);
  REQUIRE(held);
  const Result<io::SocketPtr> refused = co_await pod->Dial(world.hbone->local(), StopToken());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().reason == Reason::kOverload);
  CHECK(world.budget.used(Bound::kDescriptors) == 0);
  CHECK(Refusals(world, "dials") == 1);
  held = Place();
  const Result<io::SocketPtr> dialled = co_await pod->Dial(world.hbone->local(), StopToken());
  REQUIRE(dialled.ok());
  CHECK(world.budget.used(Bound::kDials) == 0);
  CHECK(world.budget.used(Bound::kDescriptors) == 1);
  co_await world.End();
}

TEST_CASE("connects that are under way are bounded, and those that succeeded are open sockets") {
  aquifer::test::Run(BoundsDials());
}

}  // namespace
}  // namespace aquifer::node
