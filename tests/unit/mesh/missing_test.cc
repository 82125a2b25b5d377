#include "mesh/missing.h"

#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

using Names = std::vector<std::string>;

GatewayAddress Named(const char* ns, const char* hostname) {
  return GatewayAddress{NamespacedHostname{ns, hostname}, 15008};
}

Names Missing(Builder& builder, std::string_view ip, const std::string& network = "") {
  const Workload source = Pod("client", "10.0.0.9");
  return MissingFor(*builder.Build(), source, Address{IpOf(ip), 80}, network);
}

}  // namespace

TEST_CASE("an address that nothing is known of is missing, in its network") {
  Builder builder;
  CHECK(Missing(builder, "10.0.0.1") == Names{"/10.0.0.1"});
  CHECK(Missing(builder, "fd00::1", "net") == Names{"net/fd00::1"});
  CHECK(Missing(builder, "127.0.0.1").empty());
  builder.Put(Pod("server", "10.0.0.1"));
  builder.Put(ServiceAt("web.default", "10.96.0.1"));
  CHECK(Missing(builder, "10.0.0.1").empty());
  CHECK(Missing(builder, "10.96.0.1").empty());
}

TEST_CASE("a waypoint that is named and not known is missing") {
  Builder builder;
  Workload pod = Pod("server", "10.0.0.1");
  pod.waypoint = Named("default", "way");
  builder.Put(pod);
  Service service = ServiceAt("web.default", "10.96.0.1");
  service.waypoint = GatewayAddress{At("10.0.0.7"), 15008};
  service.weighted_waypoints = {{Named("default", "way"), 1}, {Named("default", "other"), 2}};
  builder.Put(service);
  CHECK(Missing(builder, "10.0.0.1") == Names{"default/way"});
  CHECK(Missing(builder, "10.96.0.1") == Names{"/10.0.0.7", "default/way", "default/other"});
  builder.Put(ServiceAt("way", "10.96.0.2"));
  CHECK(Missing(builder, "10.0.0.1").empty());
}

TEST_CASE("the gateway of an endpoint in another network is missing until it is known") {
  Builder builder;
  builder.Put(ServiceAt("web.default", "10.96.0.1"));
  Workload far = Joins(Pod("far", "10.9.0.1"), "web.default");
  far.network = "elsewhere";
  far.network_gateway = Named("istio-system", "gateway");
  builder.Put(far);
  Workload near = Joins(Pod("near", "10.0.0.2"), "web.default");
  near.network_gateway = Named("istio-system", "not needed");
  builder.Put(near);
  CHECK(Missing(builder, "10.96.0.1") == Names{"istio-system/gateway"});
  builder.Put(ServiceAt("gateway", "10.96.0.3", "istio-system"));
  CHECK(Missing(builder, "10.96.0.1").empty());
}

}  // namespace aquifer::mesh
