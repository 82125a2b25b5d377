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

TEST_CASE("a waypoint reference that could not be read is nobody's name") {
  Builder builder;
  istio::workload::Address message;
  message.mutable_workload()->set_uid("odd");
  message.mutable_workload()->add_addresses(std::string("\x0a\0\0\x01", 4));
  message.mutable_workload()->mutable_waypoint();  // says neither a name nor an address
  CHECK_FALSE(builder.PutAddress("odd", message).ok());
  CHECK(Missing(builder, "10.0.0.1").empty());
}

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

namespace {

// Of a CONNECT to `own`, which was reached at 10.0.0.2.
Names MissingFor(Builder& builder, const Workload& own, const InboundAuthority& authority) {
  return MissingForInbound(*builder.Build(), own, IpOf("10.0.0.2"), authority, "");
}

}  // namespace

TEST_CASE("a CONNECT to our own address needs nothing more to be known") {
  Builder builder;
  const Workload own = Pod("server", "10.0.0.2");
  CHECK(MissingFor(builder, own, Address{IpOf("10.0.0.2"), 80}).empty());
  Workload behind = own;
  behind.application_tunnel = ApplicationTunnel{ApplicationTunnel::Protocol::kProxy, 15088};
  CHECK(MissingFor(builder, behind, Address{IpOf("10.96.0.1"), 80}).empty());
}

TEST_CASE("whose waypoint a CONNECT for another address would take us for is missing") {
  Builder builder;
  const Workload own = Pod("way", "10.0.0.2");
  const InboundAuthority authority = Address{IpOf("10.96.0.1"), 80};
  CHECK(MissingFor(builder, own, authority) == Names{"/10.96.0.1"});
  Service service = ServiceAt("web.default", "10.96.0.1");
  service.waypoint = Named("default", "way.default");
  builder.Put(service);
  CHECK(MissingFor(builder, own, authority) == Names{"default/way.default"});
  builder.Put(ServiceAt("way.default", "10.96.0.9"));
  CHECK(MissingFor(builder, own, authority).empty());
  Workload pod = Pod("web", "10.0.0.7");
  pod.waypoint = Named("default", "another");
  builder.Put(pod);
  CHECK(MissingFor(builder, own, Address{IpOf("10.0.0.7"), 80}) == Names{"default/another"});
}

TEST_CASE("a service that a CONNECT names is missing where it may be ours") {
  Builder builder;
  Workload own = Pod("server", "10.0.0.2");
  const InboundAuthority web = NamedAuthority{"web.shop.svc.cluster.local", 80};
  CHECK(MissingFor(builder, own, web) ==
        Names{"default/web.shop.svc.cluster.local", "shop/web.shop.svc.cluster.local"});
  CHECK(MissingFor(builder, own, NamedAuthority{"web.example", 80}) ==
        Names{"default/web.example"});
  own.services.push_back({{"far", "web.example"}, {}});
  CHECK(MissingFor(builder, own, NamedAuthority{"web.example", 80}) ==
        Names{"default/web.example", "far/web.example"});
  // One of that name is known, and is not the one that would go first.
  builder.Put(ServiceAt("web.shop.svc.cluster.local", "10.96.0.1", "shop"));
  CHECK(MissingFor(builder, own, web) == Names{"default/web.shop.svc.cluster.local"});
  builder.Put(ServiceAt("web.shop.svc.cluster.local", "10.96.0.2"));
  CHECK(MissingFor(builder, own, web).empty());
}

}  // namespace aquifer::mesh
