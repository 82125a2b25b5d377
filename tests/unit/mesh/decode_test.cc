#include "mesh/decode.h"

#include <functional>
#include <string>

#include "mesh/fields.h"
#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

namespace wire = istio::workload;

std::string Bytes(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}

const std::string kV4 = Bytes({10, 0, 0, 1});
const std::string kV6 = Bytes({0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
const std::string kMapped = Bytes({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3});

wire::Workload GoodWorkload() {
  wire::Workload message;
  message.set_uid("Kubernetes//Pod/default/a");
  message.set_name("a");
  message.set_namespace_("default");
  message.add_addresses(kV4);
  return message;
}

wire::Service GoodService() {
  wire::Service message;
  message.set_name("web");
  message.set_namespace_("default");
  message.set_hostname("web.example");
  return message;
}

std::string RefusedField(const std::function<void(wire::Workload&)>& spoil) {
  wire::Workload message = GoodWorkload();
  spoil(message);
  const Decoded<Workload> workload = DecodeWorkload(message);
  return workload.ok() ? "(accepted)" : workload.error().field;
}

std::string RefusedField(const std::function<void(wire::Service&)>& spoil) {
  wire::Service message = GoodService();
  spoil(message);
  const Decoded<Service> service = DecodeService(message);
  return service.ok() ? "(accepted)" : service.error().field;
}

// --- workloads ---------------------------------------------------------------------------------

TEST_CASE("what a workload leaves out has the API's defaults") {
  const Decoded<Workload> workload = DecodeWorkload(GoodWorkload());
  REQUIRE(workload.ok());
  CHECK(workload->trust_domain == "cluster.local");
  CHECK(workload->service_account == "default");
  CHECK(workload->cluster_id == "Kubernetes");
  CHECK(workload->capacity == 1);
  CHECK(workload->protocol == TunnelProtocol::kNone);
  CHECK(workload->health == Health::kHealthy);
  CHECK(workload->identity().ToString() == "spiffe://cluster.local/ns/default/sa/default");
}

TEST_CASE("a capacity of zero is not an absent one") {
  wire::Workload message = GoodWorkload();
  message.mutable_capacity()->set_value(0);
  CHECK(DecodeWorkload(message)->capacity == 0);
}

TEST_CASE("every field of a workload arrives") {
  wire::Workload message = GoodWorkload();
  message.add_addresses(kV6);
  message.set_network("net");
  message.set_tunnel_protocol(wire::HBONE);
  message.set_trust_domain("td.example");
  message.set_service_account("sa");
  message.set_node("node1");
  message.set_canonical_name("app");
  message.set_canonical_revision("v1");
  message.set_workload_type(wire::JOB);
  message.set_workload_name("batch");
  message.set_native_tunnel(true);
  message.add_authorization_policies("default/p");
  message.set_status(wire::UNHEALTHY);
  message.set_cluster_id("c2");
  message.set_hostname("vm.example");
  message.set_network_mode(wire::HOST_NETWORK);
  message.mutable_locality()->set_region("r");
  message.mutable_locality()->set_zone("z");
  message.mutable_locality()->set_subzone("s");
  message.mutable_application_tunnel()->set_protocol(wire::ApplicationTunnel::PROXY);
  message.mutable_application_tunnel()->set_port(15088);
  message.mutable_waypoint()->mutable_hostname()->set_namespace_("ns");
  message.mutable_waypoint()->mutable_hostname()->set_hostname("wp.example");
  message.mutable_waypoint()->set_hbone_mtls_port(15008);
  message.mutable_network_gateway()->mutable_address()->set_network("remote");
  message.mutable_network_gateway()->mutable_address()->set_address(kV4);
  wire::Port& port = *(*message.mutable_services())["default/web.example"].add_ports();
  port.set_service_port(80);
  port.set_target_port(8080);
  port.set_app_protocol(wire::HTTP2);

  const Decoded<Workload> decoded = DecodeWorkload(message);
  REQUIRE(decoded.ok());
  const Workload& w = *decoded;
  CHECK(w.addresses == absl::InlinedVector<Ip, 1>{Ip::V4(10, 0, 0, 1), *Ip::Parse("fd00::1")});
  CHECK(w.network == "net");
  CHECK(w.protocol == TunnelProtocol::kHbone);
  CHECK(w.identity() == certs::Identity{"td.example", "default", "sa"});
  CHECK(w.node == "node1");
  CHECK(w.canonical_name == "app");
  CHECK(w.canonical_revision == "v1");
  CHECK(w.type == WorkloadType::kJob);
  CHECK(w.workload_name == "batch");
  CHECK(w.native_tunnel);
  CHECK(w.authorization_policies == std::vector<Text>{"default/p"});
  CHECK(w.health == Health::kUnhealthy);
  CHECK(w.cluster_id == "c2");
  CHECK(w.hostname == "vm.example");
  CHECK(w.network_mode == NetworkMode::kHostNetwork);
  CHECK(w.locality == Locality{"r", "z", "s"});
  CHECK(w.application_tunnel == ApplicationTunnel{ApplicationTunnel::Protocol::kProxy, 15088});
  CHECK(w.waypoint == GatewayAddress{NamespacedHostname{"ns", "wp.example"}, 15008});
  CHECK(w.network_gateway == GatewayAddress{NetworkAddress{"remote", Ip::V4(10, 0, 0, 1)}, 0});
  REQUIRE(w.services.size() == 1);
  CHECK(w.services[0].service.ToString() == "default/web.example");
  CHECK(w.services[0].ports == PortList{{80, 8080, AppProtocol::kHttp2}});
}

TEST_CASE("an IPv4 address in IPv6 clothes is the IPv4 address") {
  wire::Workload message = GoodWorkload();
  message.set_addresses(0, kMapped);
  CHECK(DecodeWorkload(message)->addresses[0] == Ip::V4(10, 1, 2, 3));
}

TEST_CASE("a malformed workload is refused with the name of the field") {
  using Spoil = std::function<void(wire::Workload&)>;
  const std::pair<const char*, Spoil> cases[] = {
      {"uid", [](auto& m) { m.clear_uid(); }},
      {"name", [](auto& m) { m.set_name("a\nb"); }},
      {"node", [](auto& m) { m.set_node(std::string(kMaxNameBytes + 1, 'n')); }},
      {"namespace", [](auto& m) { m.set_namespace_("a/sa/root"); }},
      {"service_account", [](auto& m) { m.set_service_account("a/b"); }},
      {"trust_domain", [](auto& m) { m.set_trust_domain("evil/ns/x"); }},
      {"addresses[0]", [](auto& m) { m.set_addresses(0, "abc"); }},
      {"addresses[1]", [](auto& m) { m.add_addresses(""); }},
      {"addresses",
       [](auto& m) {
         for (size_t i = 0; i <= kMaxAddresses; ++i) m.add_addresses(kV4);
       }},
      {"tunnel_protocol", [](auto& m) { m.set_tunnel_protocol(wire::LEGACY_ISTIO_MTLS); }},
      {"tunnel_protocol",
       [](auto& m) { m.set_tunnel_protocol(static_cast<wire::TunnelProtocol>(9)); }},
      {"status", [](auto& m) { m.set_status(static_cast<wire::WorkloadStatus>(9)); }},
      {"network_mode", [](auto& m) { m.set_network_mode(static_cast<wire::NetworkMode>(9)); }},
      {"waypoint", [](auto& m) { m.mutable_waypoint()->set_hbone_mtls_port(1); }},
      {"waypoint.hbone_mtls_port",
       [](auto& m) { m.mutable_waypoint()->set_hbone_mtls_port(65536); }},
      {"waypoint.hostname.hostname", [](auto& m) { m.mutable_waypoint()->mutable_hostname(); }},
      {"network_gateway.address.address",
       [](auto& m) { m.mutable_network_gateway()->mutable_address()->set_address("12345"); }},
      {"application_tunnel.port", [](auto& m) { m.mutable_application_tunnel()->set_port(70000); }},
      {"services", [](auto& m) { (*m.mutable_services())["no-slash"]; }},
      {"services.default/web.ports[0].target_port",
       [](auto& m) {
         (*m.mutable_services())["default/web"].add_ports()->set_target_port(65536 + 80);
       }},
  };
  for (const auto& [field, spoil] : cases) CHECK(RefusedField(spoil) == field);
}

TEST_CASE("a workload type that is newer than us is only a label") {
  CHECK(RefusedField(std::function([](wire::Workload& m) {
          m.set_workload_type(static_cast<wire::WorkloadType>(77));
        })) == "(accepted)");
}

TEST_CASE("a workload without a namespace, such as a network gateway, is accepted") {
  CHECK(RefusedField(std::function([](wire::Workload& m) { m.clear_namespace_(); })) ==
        "(accepted)");
}

// --- services ----------------------------------------------------------------------------------

TEST_CASE("addresses with a length are prefixes unless the length is the whole address") {
  wire::Service message = GoodService();
  const auto add = [&message](const std::string& address, std::optional<unsigned> length) {
    wire::NetworkAddress& a = *message.add_addresses();
    a.set_network("net");
    a.set_address(address);
    if (length) a.set_length(*length);
  };
  add(kV4, std::nullopt);
  add(kV4, 32);
  add(kV4, 8);
  add(kV6, 128);
  add(kV6, 16);
  add(kV4, 0);
  add(kMapped, 96 + 16);
  const Decoded<Service> service = DecodeService(message);
  REQUIRE(service.ok());
  CHECK(service->vips.size() == 3);
  REQUIRE(service->cidr_vips.size() == 4);
  CHECK(service->cidr_vips[0].ToString() == "net/10.0.0.0/8");
  CHECK(service->cidr_vips[1].ToString() == "net/fd00::/16");
  CHECK(service->cidr_vips[2].ToString() == "net/0.0.0.0/0");
  CHECK(service->cidr_vips[3].ToString() == "net/10.1.0.0/16");
}

TEST_CASE("of two entries for one port the last holds, and ports are ordered") {
  wire::Service message = GoodService();
  for (const auto& [from, to] : {std::pair(443, 1), {80, 2}, {443, 3}}) {
    message.add_ports()->set_service_port(from);
    message.mutable_ports(message.ports_size() - 1)->set_target_port(to);
  }
  CHECK(DecodeService(message)->ports == PortList{{80, 2}, {443, 3}});
}

TEST_CASE("names of a service that are no SPIFFE identities are kept and accept nobody") {
  wire::Service message = GoodService();
  message.add_subject_alt_names("httpbin.example");
  message.add_subject_alt_names("spiffe://cluster.local/ns/a/sa/b");
  const Decoded<Service> service = DecodeService(message);
  REQUIRE(service.ok());
  CHECK(service->subject_alt_names.size() == 2);
  CHECK(service->identities == std::vector<certs::Identity>{{"cluster.local", "a", "b"}});
}

TEST_CASE("a malformed service is refused with the name of the field") {
  using Spoil = std::function<void(wire::Service&)>;
  const std::pair<const char*, Spoil> cases[] = {
      {"hostname", [](auto& m) { m.clear_hostname(); }},
      {"hostname", [](auto& m) { m.set_hostname("a/b"); }},
      {"namespace", [](auto& m) { m.set_namespace_("a/b"); }},
      {"addresses[0].address", [](auto& m) { m.add_addresses(); }},
      {"addresses[0].length",
       [](auto& m) {
         m.add_addresses()->set_address(kV4);
         m.mutable_addresses(0)->set_length(33);
       }},
      {"addresses[0].length",
       [](auto& m) {
         m.add_addresses()->set_address(kMapped);
         m.mutable_addresses(0)->set_length(95);
       }},
      {"ports[0].service_port", [](auto& m) { m.add_ports()->set_service_port(65536); }},
      {"waypoint", [](auto& m) { m.mutable_waypoint(); }},
      {"weighted_waypoints[0].destination", [](auto& m) { m.add_weighted_waypoints(); }},
      {"load_balancing.mode",
       [](auto& m) {
         m.mutable_load_balancing()->set_mode(static_cast<wire::LoadBalancing::Mode>(9));
       }},
      {"load_balancing.routing_preference[0]",
       [](auto& m) {
         m.mutable_load_balancing()->add_routing_preference(wire::LoadBalancing::UNSPECIFIED_SCOPE);
       }},
      {"load_balancing.health_policy",
       [](auto& m) {
         m.mutable_load_balancing()->set_health_policy(
             static_cast<wire::LoadBalancing::HealthPolicy>(5));
       }},
      {"ip_families", [](auto& m) { m.set_ip_families(static_cast<wire::IPFamilies>(9)); }},
  };
  for (const auto& [field, spoil] : cases) CHECK(RefusedField(spoil) == field);
}

TEST_CASE("a visibility that is newer than us means public") {
  wire::Service message = GoodService();
  message.set_visibility(static_cast<wire::Service::Visibility>(7));
  CHECK(DecodeService(message)->visibility == Visibility::kPublic);
  message.set_visibility(wire::Service::NAMESPACE);
  CHECK(DecodeService(message)->visibility == Visibility::kNamespace);
}

}  // namespace
}  // namespace aquifer::mesh
