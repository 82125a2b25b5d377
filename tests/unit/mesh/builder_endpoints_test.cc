#include "mesh/builder.h"

#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

TEST_CASE("endpoints may come before, with and after their service") {
  Builder builder;
  builder.Put(Joins(Pod("a", "10.0.0.1"), "web.example"));
  const SnapshotRef staged = builder.Build();
  size_t seen = 0;
  staged->ForEachStaged([&](const NamespacedHostname& name, const EndpointSet& set) {
    CHECK(name.ToString() == "default/web.example");
    seen += set.size();
  });
  CHECK(seen == 1);
  builder.Put(Joins(Pod("b", "10.0.0.2"), "web.example"));
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  CHECK(EndpointCount(*builder.Build(), "web.example") == 2);
  builder.Put(Joins(Pod("c", "10.0.0.3"), "web.example"));
  const SnapshotRef snapshot = builder.Build();
  CHECK(EndpointCount(*snapshot, "web.example") == 3);
  snapshot->ForEachStaged([](const NamespacedHostname&, const EndpointSet&) { FAIL("staged"); });
}

TEST_CASE("an updated service keeps its endpoints, and a removed one finds them when it is back") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  builder.Put(Joins(Pod("a", "10.0.0.1"), "web.example"));
  builder.Build();
  builder.Put(ServiceAt("web.example", "10.1.0.2"));
  CHECK(EndpointCount(*builder.Build(), "web.example") == 1);
  builder.RemoveAddress("default/web.example");
  builder.Build();
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  CHECK(EndpointCount(*builder.Build(), "web.example") == 1);
}

TEST_CASE("a workload that leaves a service or goes is no endpoint of it") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  builder.Put(Joins(Pod("a", "10.0.0.1"), "web.example"));
  builder.Put(Joins(Pod("b", "10.0.0.2"), "web.example"));
  CHECK(EndpointCount(*builder.Build(), "web.example") == 2);
  builder.Put(Pod("a", "10.0.0.1"));
  CHECK(EndpointCount(*builder.Build(), "web.example") == 1);
  builder.RemoveAddress(Pod("b", "10.0.0.2").uid);
  CHECK(EndpointCount(*builder.Build(), "web.example") == 0);
}

TEST_CASE("of several changes of an endpoint at once the last one holds") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  for (const char* name : {"c", "a", "b"}) {
    builder.Put(Joins(Pod(name, "10.0.0.1"), "web.example"));
    builder.RemoveAddress(Pod(name, "10.0.0.1").uid);
    builder.Put(Joins(Pod(name, "10.0.0.2"), "web.example"));
  }
  builder.RemoveAddress(Pod("b", "10.0.0.2").uid);
  const SnapshotRef snapshot = builder.Build();
  const EndpointsRef endpoints =
      snapshot->EndpointsOf(*snapshot->FindService({"default", "web.example"}));
  REQUIRE(endpoints->size() == 2);
  for (const Endpoint& endpoint : endpoints->all())
    CHECK(endpoint.workload->HasAddress(IpOf("10.0.0.2")));
  CHECK(endpoints->all()[0].workload->name == "a");
  CHECK(endpoints->all()[1].workload->name == "c");
}

TEST_CASE("endpoints staged for a service go with their workload") {
  Builder builder;
  builder.Put(Joins(Pod("a", "10.0.0.1"), "web.example"));
  builder.Build();
  builder.RemoveAddress(Pod("a", "10.0.0.1").uid);
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  CHECK(EndpointCount(*builder.Build(), "web.example") == 0);
}

TEST_CASE("an endpoint's own port mapping is the one of the latest workload") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  builder.Put(Joins(Pod("a", "10.0.0.1"), "web.example", {{80, 8080}}));
  builder.Build();
  builder.Put(Joins(Pod("a", "10.0.0.1"), "web.example", {{80, 9090}}));
  const SnapshotRef snapshot = builder.Build();
  const auto endpoints = snapshot->EndpointsOf(*snapshot->FindService({"default", "web.example"}));
  const Endpoint* endpoint = endpoints->Find(Pod("a", "10.0.0.1").uid);
  REQUIRE(endpoint != nullptr);
  CHECK(endpoint->TargetPort(80) == 9090);
  CHECK(endpoint->TargetPort(81) == 0);
}

TEST_CASE("an unhealthy workload is no endpoint unless the service takes all") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  Workload pod = Joins(Pod("a", "10.0.0.1"), "web.example");
  builder.Put(pod);
  CHECK(EndpointCount(*builder.Build(), "web.example") == 1);
  pod.health = Health::kUnhealthy;
  builder.Put(pod);
  CHECK(EndpointCount(*builder.Build(), "web.example") == 0);
  CHECK_FALSE(UidAt(*builder.Build(), At("10.0.0.1")).empty());

  Service all = ServiceAt("web.example", "10.1.0.1");
  all.load_balancer = LoadBalancer{{}, LoadBalancerMode::kStandard, HealthPolicy::kAllowAll};
  builder.Put(all);
  CHECK(EndpointCount(*builder.Build(), "web.example") == 1);
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  CHECK(EndpointCount(*builder.Build(), "web.example") == 0);
  pod.health = Health::kHealthy;
  builder.Put(pod);
  CHECK(EndpointCount(*builder.Build(), "web.example") == 1);
}

TEST_CASE("an unhealthy workload staged before its service is filtered when that comes") {
  Builder builder;
  Workload pod = Joins(Pod("a", "10.0.0.1"), "web.example");
  pod.health = Health::kUnhealthy;
  builder.Put(pod);
  builder.Build();
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  CHECK(EndpointCount(*builder.Build(), "web.example") == 0);
}

TEST_CASE("a thousand endpoints in one batch all belong to the service, ordered by uid") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  for (int i = 0; i < 1000; ++i) {
    const std::string ip = "10.2." + std::to_string(i / 250) + "." + std::to_string(i % 250);
    builder.Put(Joins(Pod("p" + std::to_string(i), ip), "web.example"));
  }
  const SnapshotRef snapshot = builder.Build();
  const auto endpoints = snapshot->EndpointsOf(*snapshot->FindService({"default", "web.example"}));
  REQUIRE(endpoints->size() == 1000);
  for (size_t i = 1; i < endpoints->size(); ++i) {
    REQUIRE(endpoints->all()[i - 1].workload->uid < endpoints->all()[i].workload->uid);
  }
}

TEST_CASE("points are owned by capacity, and a capacity of zero owns none") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  const std::uint32_t capacities[] = {0, 3, 0, 1};
  for (int i = 0; i < 4; ++i) {
    Workload pod =
        Joins(Pod("p" + std::to_string(i), "10.0.0." + std::to_string(i + 1)), "web.example");
    pod.capacity = capacities[i];
    builder.Put(pod);
  }
  const SnapshotRef snapshot = builder.Build();
  const auto endpoints = snapshot->EndpointsOf(*snapshot->FindService({"default", "web.example"}));
  REQUIRE(endpoints->total_capacity() == 4);
  std::vector<std::string> owners;
  for (std::uint64_t point = 0; point < 4; ++point) {
    owners.push_back(endpoints->OwnerOf(point).workload->name);
  }
  CHECK(owners == std::vector<std::string>{"p1", "p1", "p1", "p3"});
}

}  // namespace
}  // namespace aquifer::mesh
