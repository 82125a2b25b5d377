#include "mesh/balance.h"

#include <map>
#include <random>
#include <string>

#include "mesh/builder.h"
#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

using enum RoutingPreference;

Workload Located(std::string name, std::string network, Locality locality, std::string node = "n") {
  Workload workload = Joins(Pod(std::move(name), "10.0.0.1"), "web.example");
  workload.network = std::move(network);
  workload.locality = std::move(locality);
  workload.node = std::move(node);
  return workload;
}

Service Web(LoadBalancerMode mode, std::vector<RoutingPreference> preferences) {
  Service service = ServiceAt("web.example", "10.1.0.1");
  service.load_balancer = LoadBalancer{std::move(preferences), mode, HealthPolicy::kOnlyHealthy};
  return service;
}

const Workload& Client() {
  static const Workload client = Located("client", "net", {"r", "z", "s"}, "node1");
  return client;
}

// How often each endpoint is chosen in a thousand tries.
std::map<std::string, int> Choices(const Service& service, const std::vector<Workload>& workloads) {
  Builder builder;
  builder.Put(service);
  for (const Workload& workload : workloads) builder.Put(workload);
  const SnapshotRef snapshot = builder.Build();
  const EndpointsRef endpoints = snapshot->EndpointsOf(service);
  std::mt19937_64 engine(7);
  const Random random = [&engine] { return engine(); };
  const Eligible eligible = [](const Endpoint& e) { return e.workload->name != "ineligible"; };
  std::map<std::string, int> chosen;
  for (int i = 0; i < 1000; ++i) {
    const Endpoint* endpoint = ChooseEndpoint(*endpoints, service, &Client(), eligible, random);
    ++chosen[endpoint == nullptr ? "" : endpoint->workload->name];
  }
  return chosen;
}

TEST_CASE("with the network first, an endpoint of our network goes before any other") {
  const Service service = Web(LoadBalancerMode::kFailover, {kNetwork, kRegion, kZone});
  const auto far_home = Located("far-home", "net", {"r2", "z2", "s2"});
  const auto near_abroad = Located("near-abroad", "remote", {"r", "z", "s"});
  CHECK(Choices(service, {far_home, near_abroad}) ==
        std::map<std::string, int>{{"far-home", 1000}});
}

TEST_CASE("within a network the region and then the zone decide, abroad as at home") {
  const Service service = Web(LoadBalancerMode::kFailover, {kNetwork, kRegion, kZone});
  for (const char* network : {"net", "remote"}) {
    INFO(network);
    const auto region_only = Located("region", network, {"r", "z2", ""});
    const auto zone_too = Located("zone", network, {"r", "z", ""});
    const auto zone_without_region = Located("odd", network, {"r2", "z", ""});
    CHECK(Choices(service, {region_only, zone_without_region}).contains("odd") == false);
    CHECK(Choices(service, {region_only, zone_too}) == std::map<std::string, int>{{"zone", 1000}});
  }
}

TEST_CASE("a preference counts only if all before it hold") {
  const Service service = Web(LoadBalancerMode::kFailover, {kRegion, kNode});
  const auto same_region = Located("region", "net", {"r", "", ""}, "node2");
  const auto same_node = Located("node", "net", {"r2", "", ""}, "node1");
  CHECK(Choices(service, {same_region, same_node}) == std::map<std::string, int>{{"region", 1000}});
}

TEST_CASE("failover falls back to whoever is left, strict to nobody") {
  const auto elsewhere = Located("elsewhere", "net", {"r2", "z2", ""});
  CHECK(Choices(Web(LoadBalancerMode::kFailover, {kRegion}), {elsewhere}).contains("elsewhere"));
  CHECK(Choices(Web(LoadBalancerMode::kStrict, {kRegion}), {elsewhere}).contains(""));
  const auto half = Located("half", "net", {"r", "z2", ""});
  CHECK(Choices(Web(LoadBalancerMode::kStrict, {kRegion, kZone}), {half}).contains(""));
  const auto here = Located("here", "net", {"r", "z", ""});
  CHECK(Choices(Web(LoadBalancerMode::kStrict, {kRegion, kZone}), {half, here}).at("here") == 1000);
}

TEST_CASE("capacity is a weight, and zero means never") {
  auto one = Located("one", "net", {});
  auto three = Located("three", "net", {});
  three.capacity = 3;
  auto none = Located("none", "net", {});
  none.capacity = 0;
  auto chosen = Choices(ServiceAt("web.example", "10.1.0.1"), {one, three, none});
  CHECK(chosen["none"] == 0);
  CHECK(chosen["three"] > 650);
  CHECK(chosen["three"] < 850);
  CHECK(Choices(ServiceAt("web.example", "10.1.0.1"), {none}).contains(""));
}

TEST_CASE("what cannot take the connection does not change the odds of the others") {
  auto chosen =
      Choices(ServiceAt("web.example", "10.1.0.1"),
              {Located("a", "net", {}), Located("b", "net", {}), Located("ineligible", "net", {})});
  CHECK(chosen["ineligible"] == 0);
  CHECK(chosen["a"] > 420);
  CHECK(chosen["b"] > 420);
}

}  // namespace
}  // namespace aquifer::mesh
