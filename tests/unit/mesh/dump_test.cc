#include "mesh/dump.h"

#include "mesh/builder.h"
#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

using nlohmann::ordered_json;

TEST_CASE("the dump has the node proxy's sections even when there is nothing in them") {
  Builder builder;
  const ordered_json dump = DumpJson(*builder.Build());
  CHECK(dump ==
        ordered_json::parse(R"({"workloads":[],"services":[],"policies":[],"stagedServices":{}})"));
}

TEST_CASE("a workload is dumped under the node proxy's keys") {
  Builder builder;
  Workload pod = Joins(Pod("a", "10.0.0.1"), "web.example");
  pod.waypoint = GatewayAddress{NamespacedHostname{"default", "wp"}, 15008};
  pod.application_tunnel = ApplicationTunnel{};
  builder.Put(pod);
  const ordered_json dump = DumpJson(*builder.Build());
  const ordered_json& w = dump["workloads"].at(0);
  CHECK(w["uid"] == pod.uid);
  CHECK(w["workloadIps"] == ordered_json({"10.0.0.1"}));
  CHECK(w["protocol"] == "HBONE");
  CHECK(w["trustDomain"] == "cluster.local");
  CHECK(w["status"] == "Healthy");
  CHECK(w["waypoint"] ==
        ordered_json::parse(R"({"destination":"default/wp","hboneMtlsPort":15008})"));
  CHECK(w["applicationTunnel"]["port"].is_null());
  CHECK(w["services"] == ordered_json({"default/web.example"}));
  CHECK(dump["stagedServices"].contains("default/web.example"));
}

TEST_CASE("a service is dumped with its endpoints and how it balances") {
  Builder builder;
  Service service = ServiceAt("web.example", "10.1.0.1");
  service.cidr_vips = {{"net", Cidr::Parse("10.2.0.0/16").value()}};
  service.load_balancer = LoadBalancer{
      {RoutingPreference::kNetwork}, LoadBalancerMode::kFailover, HealthPolicy::kOnlyHealthy};
  builder.Put(service);
  builder.Put(Joins(Pod("a", "10.0.0.1"), "web.example"));
  const ordered_json dump = DumpJson(*builder.Build());
  const ordered_json& s = dump["services"].at(0);
  CHECK(s["vips"] == ordered_json({"/10.1.0.1"}));
  CHECK(s["cidrVips"].at(0)["cidr"] == "10.2.0.0/16");
  CHECK(s["ports"]["80"] == 8080);
  CHECK(s["visibility"] == "Public");
  CHECK(s["loadBalancer"]["mode"] == "Failover");
  CHECK(s["loadBalancer"]["routingPreferences"] == ordered_json({"Network"}));
  CHECK(s["endpoints"][Pod("a", "10.0.0.1").uid]["port"]["80"] == 8080);
}

TEST_CASE("a policy is dumped whole, and a malformed one says so") {
  Builder builder;
  Policy policy = PolicyFor("p", PolicyScope::kNamespace);
  PolicyMatch match;
  match.principals.none = {{StringMatch::Kind::kPresence, ""}};
  match.destination_ports.any = {80};
  policy.rules = {{{match}}};
  builder.Put(policy);
  const ordered_json dumped = DumpJson(*builder.Build())["policies"].at(0);
  CHECK(dumped["scope"] == "Namespace");
  CHECK(dumped["action"] == "Allow");
  CHECK(dumped["rules"].dump() ==
        R"([[[{"notPrincipals":[{"Presence":[]}],"destinationPorts":[80]}]]])");
  CHECK_FALSE(dumped.contains("malformed"));
  builder.PutUnreadablePolicy("default/p");
  CHECK(DumpJson(*builder.Build())["policies"].at(0)["malformed"] == true);
}

}  // namespace
}  // namespace aquifer::mesh
