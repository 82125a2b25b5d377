#include <random>
#include <string>

#include "mesh/builder.h"
#include "mesh/classify.h"
#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

const Address kTarget{Ip::V4(10, 0, 0, 5), 8080};

Workload WaypointPod(int number) {
  Workload pod = Joins(Pod("wp" + std::to_string(number), "10.0.1." + std::to_string(number)),
                       "wp.example", {{15008, 15008}});
  pod.service_account = "waypoint";
  return pod;
}

Service WaypointService() {
  Service service = ServiceAt("wp.example", "10.1.0.1");
  service.ports = {{15008, 15008}};
  return service;
}

// A pod behind a waypoint that is named in one of the two ways.
struct Mesh {
  explicit Mesh(GatewayAddress waypoint) {
    Workload behind = Pod("behind", "10.0.0.5");
    behind.waypoint = std::move(waypoint);
    builder.Put(behind);
    builder.Put(WaypointService());
    for (int i = 1; i <= 3; ++i) builder.Put(WaypointPod(i));
  }
  Result<Route> From(const Workload& source) {
    const Random random = [this] { return engine(); };
    return Classify(*builder.Build(), source, kTarget, ClassifyOptions{}, random);
  }

  Builder builder;
  std::mt19937_64 engine{11};
};

const GatewayAddress kByName{NamespacedHostname{"default", "wp.example"}, 15008};
const GatewayAddress kByAddress{At("10.1.0.1"), 15008};

TEST_CASE(
    "what a waypoint sends to the workload it guards goes there and not to another waypoint") {
  for (const GatewayAddress& gateway : {kByName, kByAddress}) {
    Mesh mesh(gateway);
    for (int number = 1; number <= 3; ++number) {
      for (int i = 0; i < 20; ++i) {
        const Result<Route> route = mesh.From(WaypointPod(number));
        REQUIRE(route.ok());
        CHECK_FALSE(route->to_waypoint);
        CHECK(route->connect_to == Address{kTarget.ip, 15008});
        CHECK(route->target == kTarget);
      }
    }
  }
}

TEST_CASE("a waypoint that is about to stop still reaches the workload it guards") {
  for (const GatewayAddress& gateway : {kByName, kByAddress}) {
    Mesh mesh(gateway);
    Workload leaving = WaypointPod(2);
    leaving.health = Health::kUnhealthy;
    mesh.builder.Put(leaving);
    for (int i = 0; i < 20; ++i) CHECK_FALSE(mesh.From(leaving)->to_waypoint);
  }
}

TEST_CASE("who only shares the waypoint's identity goes through the waypoint like everybody") {
  for (const GatewayAddress& gateway : {kByName, kByAddress}) {
    Mesh mesh(gateway);
    Workload other = Pod("other", "10.0.2.1");
    other.service_account = "waypoint";
    CHECK(mesh.From(other)->to_waypoint);
    CHECK(mesh.From(Pod("client", "10.0.2.2"))->to_waypoint);
  }
}

TEST_CASE("a waypoint that cannot be resolved refuses, it is never gone around") {
  for (const GatewayAddress& gateway :
       {GatewayAddress{NamespacedHostname{"default", "gone.example"}, 15008},
        GatewayAddress{At("10.9.9.9"), 15008}, GatewayAddress{At("10.1.0.1", "remote"), 15008}}) {
    Mesh mesh(gateway);
    const Result<Route> route = mesh.From(Pod("client", "10.0.2.2"));
    REQUIRE_FALSE(route.ok());
    CHECK(route.error().reason == Reason::kUnknownWaypoint);
  }
}

TEST_CASE("a waypoint without a ready pod refuses, it is never gone around") {
  Mesh mesh(kByName);
  for (int i = 1; i <= 3; ++i) mesh.builder.RemoveAddress(WaypointPod(i).uid);
  CHECK(mesh.From(Pod("client", "10.0.2.2")).error().reason == Reason::kUnknownWaypoint);
}

TEST_CASE("waypoints that all have the weight zero still are not gone around") {
  Builder builder;
  Service service = ServiceAt("web.example", "10.1.0.7");
  service.weighted_waypoints = {{kByName, 0}};
  builder.Put(service);
  builder.Put(Joins(Pod("a", "10.0.0.7"), "web.example"));
  const Random random = [] { return std::uint64_t{0}; };
  const Result<Route> route = Classify(*builder.Build(), Pod("client", "10.0.2.2"),
                                       Address{Ip::V4(10, 1, 0, 7), 80}, ClassifyOptions{}, random);
  REQUIRE_FALSE(route.ok());
  CHECK(route.error().reason == Reason::kUnknownWaypoint);
}

}  // namespace
}  // namespace aquifer::mesh
