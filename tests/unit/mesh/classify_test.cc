#include "mesh/classify.h"

#include <random>
#include <set>
#include <string>

#include "mesh/builder.h"
#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

// A mesh of two networks; we are on "near".
struct Mesh {
  Mesh() { options.network = "near"; }

  static Workload Near(std::string name, std::string_view ip) {
    Workload workload = Pod(std::move(name), ip);
    workload.network = "near";
    return workload;
  }
  // Behind the far network's gateway, which is named by its address or by its service.
  static Workload Far(std::string name, std::string_view ip) {
    Workload workload = Pod(std::move(name), ip);
    workload.network = "far";
    workload.network_gateway = GatewayAddress{At("192.0.2.1", "far"), 15009};
    return workload;
  }
  // The gateway that Far names.
  static Workload Gateway(std::string name, std::string_view ip) {
    Workload workload = Pod(std::move(name), ip);
    workload.network = "far";
    workload.service_account = "gateway";
    return workload;
  }
  static Service NearService(std::string hostname, std::string_view vip) {
    Service service = ServiceAt(std::move(hostname), "");
    service.vips = {At(vip, "near")};
    return service;
  }

  Result<Route> Ask(std::string_view ip, std::uint16_t port = 80,
                    const std::vector<std::string>& tried = {}) {
    const Random random = [this] { return engine(); };
    const Workload client = Near("client", "10.0.9.1");
    return Classify(*builder.Build(), client, Address{IpOf(ip), port}, options, random, tried);
  }
  // What twenty connections to `ip` reach.
  std::set<std::string> Reached(std::string_view ip) {
    std::set<std::string> reached;
    for (int i = 0; i < 20; ++i) {
      const Result<Route> route = Ask(ip);
      reached.insert(route.ok() ? route->connect_to.ToString()
                                : std::string(ReasonWord(route.error().reason)));
    }
    return reached;
  }

  Builder builder;
  ClassifyOptions options;
  std::mt19937_64 engine{3};
};

const certs::Identity kFarAccount{"cluster.local", "default", "far-web"};

Service WebService() {
  Service service = Mesh::NearService("web.example", "10.1.0.1");
  service.identities = {kFarAccount};
  return service;
}

TEST_CASE("an endpoint of another network is reached by the service's name through its gateway") {
  Mesh mesh;
  mesh.builder.Put(WebService());
  mesh.builder.Put(Joins(Mesh::Far("web", "10.0.0.1"), "web.example"));
  mesh.builder.Put(Mesh::Gateway("gateway", "192.0.2.1"));
  const Result<Route> route = mesh.Ask("10.1.0.1");
  REQUIRE(route.ok());
  CHECK(route->protocol == Protocol::kDoubleHbone);
  CHECK(route->connect_to == Address{IpOf("192.0.2.1"), 15009});
  CHECK(route->identities == std::vector<certs::Identity>{{"cluster.local", "default", "gateway"}});
  CHECK(route->far.host == "web.example");
  CHECK(route->far.port == 80);
  CHECK(route->far.identities == std::vector<certs::Identity>{kFarAccount});
  CHECK(route->service->hostname == "web.example");
  CHECK_FALSE(route->to_waypoint);
}

TEST_CASE("the far side of a service that lists no identity can be nobody") {
  Mesh mesh;
  mesh.builder.Put(Mesh::NearService("web.example", "10.1.0.1"));
  mesh.builder.Put(Joins(Mesh::Far("web", "10.0.0.1"), "web.example"));
  mesh.builder.Put(Mesh::Gateway("gateway", "192.0.2.1"));
  const Result<Route> route = mesh.Ask("10.1.0.1");
  REQUIRE(route.ok());
  CHECK(route->far.identities.empty());
}

TEST_CASE("a gateway that is named by its service is one of that service's pods, at their port") {
  Mesh mesh;
  mesh.builder.Put(WebService());
  Workload web = Joins(Mesh::Far("web", "10.0.0.1"), "web.example");
  web.network_gateway = GatewayAddress{NamespacedHostname{"default", "gateway.example"}, 15009};
  mesh.builder.Put(web);
  Service gateway = ServiceAt("gateway.example", "");
  gateway.ports = {{15009, 15008}};
  gateway.identities = {{"cluster.local", "default", "any-gateway"}};
  mesh.builder.Put(gateway);
  for (const char* ip : {"192.0.2.1", "192.0.2.2"}) {
    mesh.builder.Put(Joins(Mesh::Gateway(std::string("g") + ip, ip), "gateway.example", {}));
  }
  CHECK(mesh.Reached("10.1.0.1") == std::set<std::string>{"192.0.2.1:15008", "192.0.2.2:15008"});
  const Result<Route> route = mesh.Ask("10.1.0.1");
  CHECK(route->identities ==
        std::vector<certs::Identity>{{"cluster.local", "default", "any-gateway"},
                                     {"cluster.local", "default", "gateway"}});
}

TEST_CASE("a waypoint of another network is asked for the service by name, as itself") {
  Mesh mesh;
  Service service = WebService();
  service.waypoint = GatewayAddress{NamespacedHostname{"default", "waypoint.example"}, 15008};
  mesh.builder.Put(service);
  Service waypoint = ServiceAt("waypoint.example", "");
  waypoint.ports = {{15008, 15008}};
  waypoint.identities = {{"cluster.local", "default", "waypoint"}};
  mesh.builder.Put(waypoint);
  mesh.builder.Put(Joins(Mesh::Far("waypoint", "10.0.0.2"), "waypoint.example", {}));
  mesh.builder.Put(Mesh::Gateway("gateway", "192.0.2.1"));
  const Result<Route> route = mesh.Ask("10.1.0.1");
  REQUIRE(route.ok());
  CHECK(route->protocol == Protocol::kDoubleHbone);
  CHECK(route->connect_to == Address{IpOf("192.0.2.1"), 15009});
  CHECK(route->far.host == "web.example");
  CHECK(route->far.identities == waypoint.identities);
}

TEST_CASE("a workload of another network is not reached by its address") {
  Mesh mesh;
  Workload far = Mesh::Far("web", "10.0.0.1");
  mesh.builder.Put(far);
  CHECK(mesh.Ask("10.0.0.1")->destination == nullptr);  // an address of ours, and nobody's
  mesh.options.network = "far";                         // as if it were known by it here
  CHECK(mesh.Ask("10.0.0.1").error().reason == Reason::kUnsupported);
}

TEST_CASE("an endpoint of another network without a gateway is not chosen") {
  Mesh mesh;
  mesh.builder.Put(WebService());
  Workload lost = Joins(Mesh::Far("lost", "10.0.0.1"), "web.example");
  lost.network_gateway.reset();
  mesh.builder.Put(lost);
  CHECK(mesh.Reached("10.1.0.1") == std::set<std::string>{"no_healthy_upstream"});
  mesh.builder.Put(Joins(Mesh::Near("near", "10.0.0.2"), "web.example"));
  CHECK(mesh.Reached("10.1.0.1") == std::set<std::string>{"10.0.0.2:15008"});
}

TEST_CASE("an endpoint of another network needs no address of its own") {
  Mesh mesh;
  mesh.builder.Put(WebService());
  Workload far = Joins(Mesh::Far("web", "10.0.0.1"), "web.example");
  far.addresses.clear();
  mesh.builder.Put(far);
  mesh.builder.Put(Mesh::Gateway("gateway", "192.0.2.1"));
  CHECK(mesh.Reached("10.1.0.1") == std::set<std::string>{"192.0.2.1:15009"});
}

TEST_CASE("a network whose gateway is not known is not reached") {
  Mesh mesh;
  mesh.builder.Put(WebService());
  mesh.builder.Put(Joins(Mesh::Far("web", "10.0.0.1"), "web.example"));
  CHECK(mesh.Reached("10.1.0.1") == std::set<std::string>{"unknown_destination"});
}

TEST_CASE("an endpoint without an address is found by its host name") {
  Mesh mesh;
  Service service = WebService();
  service.ip_families = IpFamilies::kIpv4;
  mesh.builder.Put(service);
  Workload named = Joins(Mesh::Near("named", "10.0.0.1"), "web.example");
  named.addresses.clear();
  named.hostname = "named.example.com";
  named.protocol = TunnelProtocol::kNone;
  mesh.builder.Put(named);
  Result<Route> route = mesh.Ask("10.1.0.1");
  REQUIRE(route.ok());
  CHECK(route->hostname == "named.example.com");
  CHECK(route->families == IpFamilies::kIpv4);
  CHECK(route->connect_to.port == 8080);
  route->SetAddress(IpOf("203.0.113.1"));
  CHECK(route->connect_to == Address{IpOf("203.0.113.1"), 8080});

  named.protocol = TunnelProtocol::kHbone;
  mesh.builder.Put(named);
  route = mesh.Ask("10.1.0.1");
  route->SetAddress(IpOf("203.0.113.1"));
  CHECK(route->connect_to == Address{IpOf("203.0.113.1"), 15008});
  CHECK(route->target == Address{IpOf("203.0.113.1"), 8080});

  named.hostname.clear();
  mesh.builder.Put(named);
  CHECK(mesh.Ask("10.1.0.1").error().reason == Reason::kNoHealthyUpstream);
}

TEST_CASE("a waypoint that is a workload with a host name keeps the authority that was dialled") {
  Mesh mesh;
  Service service = WebService();
  service.waypoint = GatewayAddress{NamespacedHostname{"default", "wp.example.com"}, 15008};
  mesh.builder.Put(service);
  Workload waypoint = Mesh::Near("waypoint", "10.0.0.1");
  waypoint.addresses.clear();
  waypoint.hostname = "wp.example.com";
  mesh.builder.Put(waypoint);
  Result<Route> route = mesh.Ask("10.1.0.1");
  REQUIRE(route.ok());
  CHECK(route->to_waypoint);
  CHECK(route->hostname == "wp.example.com");
  route->SetAddress(IpOf("203.0.113.1"));
  CHECK(route->connect_to == Address{IpOf("203.0.113.1"), 15008});
  CHECK(route->target == Address{IpOf("10.1.0.1"), 80});
}

TEST_CASE("a gateway without a port is none") {
  Mesh mesh;
  Service service = WebService();
  service.waypoint = GatewayAddress{At("10.0.0.1", "near"), 0};
  mesh.builder.Put(service);
  mesh.builder.Put(Mesh::Near("waypoint", "10.0.0.1"));
  CHECK(mesh.Ask("10.1.0.1").error().reason == Reason::kUnknownWaypoint);
}

// An address of a pod that is a service's too.
TEST_CASE(
    "an address of both a workload and a service: the service chooses, the workload is asked") {
  Mesh mesh;
  Service service = WebService();
  service.vips = {At("10.0.0.1", "near")};
  service.waypoint = GatewayAddress{At("10.9.9.9", "near"), 15008};  // not the workload's
  mesh.builder.Put(service);
  Workload itself = Mesh::Near("itself", "10.0.0.1");
  mesh.builder.Put(itself);
  mesh.builder.Put(Joins(Mesh::Near("endpoint", "10.0.0.2"), "web.example"));
  const Result<Route> route = mesh.Ask("10.0.0.1");
  REQUIRE(route.ok());
  CHECK(route->connect_to == Address{IpOf("10.0.0.2"), 15008});
  CHECK(route->target == Address{IpOf("10.0.0.2"), 8080});
  // A port that the service has not.
  const Result<Route> other = mesh.Ask("10.0.0.1", 81);
  REQUIRE(other.ok());
  CHECK(other->protocol == Protocol::kHbone);
  CHECK(other->target == Address{IpOf("10.0.0.1"), 81});
}

TEST_CASE("a service that passes through leaves a workload of the mesh in its tunnel") {
  Mesh mesh;
  Service service = WebService();
  service.vips = {At("10.0.0.1", "near")};
  service.load_balancer = LoadBalancer{{}, LoadBalancerMode::kPassthrough, {}};
  mesh.builder.Put(service);
  mesh.builder.Put(Mesh::Near("itself", "10.0.0.1"));
  CHECK(mesh.Ask("10.0.0.1")->protocol == Protocol::kHbone);
}

TEST_CASE("a service that passes through goes to the address, but never around its waypoint") {
  Mesh mesh;
  Service service = WebService();
  service.load_balancer = LoadBalancer{{}, LoadBalancerMode::kPassthrough, {}};
  mesh.builder.Put(service);
  mesh.builder.Put(Joins(Mesh::Near("endpoint", "10.0.0.2"), "web.example"));
  const Result<Route> route = mesh.Ask("10.1.0.1", 9999);
  REQUIRE(route.ok());
  CHECK(route->protocol == Protocol::kTcp);
  CHECK(route->connect_to == Address{IpOf("10.1.0.1"), 9999});
  CHECK(route->destination == nullptr);
  service.waypoint = GatewayAddress{At("10.0.0.3", "near"), 15008};
  mesh.builder.Put(service);
  mesh.builder.Put(Mesh::Near("waypoint", "10.0.0.3"));
  CHECK(mesh.Ask("10.1.0.1")->to_waypoint);
}

TEST_CASE("the address that was dialled goes before others of a workload, then its family") {
  Mesh mesh;
  Service service = WebService();
  service.vips = {At("10.1.0.1", "near"), At("fd00:1::1", "near")};
  mesh.builder.Put(service);
  Workload dual = Joins(Mesh::Near("dual", "10.0.0.1"), "web.example");
  dual.addresses = {IpOf("fd00::1"), IpOf("10.0.0.1"), IpOf("10.0.0.2")};
  mesh.builder.Put(dual);
  CHECK(mesh.Ask("10.0.0.2", 81)->target == Address{IpOf("10.0.0.2"), 81});
  CHECK(mesh.Ask("10.1.0.1")->target == Address{IpOf("10.0.0.1"), 8080});
  CHECK(mesh.Ask("fd00:1::1")->target == Address{IpOf("fd00::1"), 8080});
  service.ip_families = IpFamilies::kIpv6;
  mesh.builder.Put(service);
  CHECK(mesh.Ask("10.1.0.1")->target == Address{IpOf("fd00::1"), 8080});
}

TEST_CASE("a workload on its node's network is no one's address, and a service's endpoint still") {
  Mesh mesh;
  mesh.builder.Put(WebService());
  Workload host = Joins(Mesh::Near("host", "10.0.0.1"), "web.example");
  host.network_mode = NetworkMode::kHostNetwork;
  host.protocol = TunnelProtocol::kNone;
  mesh.builder.Put(host);
  CHECK(mesh.Ask("10.0.0.1")->destination == nullptr);
  const Result<Route> route = mesh.Ask("10.1.0.1");
  REQUIRE(route.ok());
  CHECK(route->destination->name == "host");
  CHECK(route->connect_to == Address{IpOf("10.0.0.1"), 8080});
}

TEST_CASE("where a service's connection arrives: the endpoint's word, then the service's") {
  Mesh mesh;
  Service service = WebService();
  service.ports = {{80, 8080}, {81, 8081}, {82, 0}, {83, 0}};
  mesh.builder.Put(service);
  Workload web =
      Joins(Mesh::Near("web", "10.0.0.1"), "web.example", {{80, 9000}, {82, 9002}, {84, 9004}});
  mesh.builder.Put(web);
  CHECK(mesh.Ask("10.1.0.1", 80)->target.port == 9000);
  CHECK(mesh.Ask("10.1.0.1", 81)->target.port == 8081);
  CHECK(mesh.Ask("10.1.0.1", 82)->target.port == 9002);
  // A named port that the endpoint has not, and one that only the endpoint has.
  CHECK(mesh.Ask("10.1.0.1", 83).error().reason == Reason::kNoHealthyUpstream);
  CHECK(mesh.Ask("10.1.0.1", 84).error().reason == Reason::kNoHealthyUpstream);
  web.application_tunnel = ApplicationTunnel{ApplicationTunnel::Protocol::kProxy, 15088};
  mesh.builder.Put(web);
  CHECK(mesh.Ask("10.1.0.1", 83)->target.port == 83);
}

TEST_CASE("another network is the last resort of a service that prefers its own") {
  Mesh mesh;
  Service service = WebService();
  service.load_balancer = LoadBalancer{{RoutingPreference::kNetwork, RoutingPreference::kRegion},
                                       LoadBalancerMode::kFailover,
                                       HealthPolicy::kOnlyHealthy};
  mesh.builder.Put(service);
  mesh.builder.Put(Joins(Mesh::Far("far", "10.0.0.1"), "web.example"));
  mesh.builder.Put(Mesh::Gateway("gateway", "192.0.2.1"));
  Workload near = Joins(Mesh::Near("near", "10.0.0.2"), "web.example");
  mesh.builder.Put(near);
  CHECK(mesh.Reached("10.1.0.1") == std::set<std::string>{"10.0.0.2:15008"});
  near.health = Health::kUnhealthy;
  mesh.builder.Put(near);
  CHECK(mesh.Reached("10.1.0.1") == std::set<std::string>{"192.0.2.1:15009"});
  CHECK(mesh.Ask("10.0.0.2")->connect_to == Address{IpOf("10.0.0.2"), 15008});
}

TEST_CASE("endpoints that were tried are not chosen again") {
  Mesh mesh;
  mesh.builder.Put(WebService());
  const Workload a = Joins(Mesh::Near("a", "10.0.0.1"), "web.example");
  mesh.builder.Put(a);
  mesh.builder.Put(Joins(Mesh::Near("b", "10.0.0.2"), "web.example"));
  for (int i = 0; i < 20; ++i) {
    const Result<Route> route = mesh.Ask("10.1.0.1", 80, {a.uid});
    REQUIRE(route.ok());
    CHECK(route->dialled->name == "b");
  }
  mesh.builder.RemoveAddress(Mesh::Near("b", "10.0.0.2").uid);
  CHECK(mesh.Ask("10.1.0.1", 80, {a.uid}).error().reason == Reason::kNoHealthyUpstream);
}

TEST_CASE("a waypoint is drawn by weight") {
  Mesh mesh;
  Service service = WebService();
  service.weighted_waypoints = {{GatewayAddress{At("10.0.0.1", "near"), 15008}, 1},
                                {GatewayAddress{At("10.0.0.2", "near"), 15008}, 3},
                                {GatewayAddress{At("10.0.0.3", "near"), 15008}, 0}};
  mesh.builder.Put(service);
  for (const char* ip : {"10.0.0.1", "10.0.0.2", "10.0.0.3"})
    mesh.builder.Put(Mesh::Near(std::string("wp") + ip, ip));
  int heavy = 0;
  for (int i = 0; i < 1000; ++i) {
    const Result<Route> route = mesh.Ask("10.1.0.1");
    CHECK(route->connect_to.ip != IpOf("10.0.0.3"));
    heavy += route->connect_to.ip == IpOf("10.0.0.2");
  }
  CHECK(heavy > 650);
  CHECK(heavy < 850);
}

TEST_CASE("a destination on loopback that would come back to the proxy is refused") {
  Mesh mesh;
  for (const std::uint16_t port : {15001, 15006, 15008})
    CHECK(mesh.Ask("127.0.0.1", port).error().reason == Reason::kLoop);
  CHECK(mesh.Ask("127.0.0.1", 15080).ok());
  CHECK(mesh.Ask("10.0.0.7", 15008).ok());
  mesh.options.illegal_ports.push_back(15080);
  CHECK(mesh.Ask("::1", 15080).error().reason == Reason::kLoop);
}

}  // namespace
}  // namespace aquifer::mesh
