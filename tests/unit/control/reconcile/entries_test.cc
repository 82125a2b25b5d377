#include "control/reconcile/entries.h"

#include "control/reconcile/automatic_address.h"
#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

namespace pb = istio::workload;

std::string Entry(const std::string& name, const std::string& spec, const std::string& meta = "",
                  const std::string& more = "") {
  return "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: " + name +
         ", namespace: shop" + meta + "}, spec: {" + spec +
         ", ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]}" + more +
         "}\n---\n";
}

std::string Machine(const std::string& spec) {
  return "{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: vm, "
         "namespace: shop, labels: {machine: one}}, spec: {" +
         spec + "}}\n---\n";
}

const std::string kPod =
    "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: db}}, spec: "
    "{serviceAccountName: sa}, status: {podIP: 10.0.0.1}}\n---\n";

std::optional<pb::Workload> WorkloadAt(const Mesh& mesh, const std::string& uid) {
  const Resource* resource =
      mesh.ResourceOf(ResourceType::kAddress, "Kubernetes/networking.istio.io/" + uid);
  if (resource == nullptr) return std::nullopt;
  pb::Address address;
  REQUIRE(address.ParseFromString(resource->bytes));
  return address.workload();
}

std::optional<pb::Service> ServiceAt(const Mesh& mesh, const std::string& name) {
  const Resource* resource = mesh.ResourceOf(ResourceType::kAddress, name);
  if (resource == nullptr) return std::nullopt;
  pb::Address address;
  REQUIRE(address.ParseFromString(resource->bytes));
  return address.service();
}

std::string PortsOf(const pb::Workload& workload, const std::string& service) {
  const auto found = workload.services().find(service);
  if (found == workload.services().end()) return "none";
  std::string text;
  for (const pb::Port& port : found->second.ports())
    text += std::to_string(port.service_port()) + "->" + std::to_string(port.target_port()) + " ";
  return text;
}

}  // namespace

TEST_CASE("each host of an entry is a service with its addresses and ports") {
  const Mesh mesh(Entry("e",
                        "hosts: [A.example, b.example], resolution: STATIC, addresses: "
                        "[203.0.113.1, 198.51.100.0/24], subjectAltNames: [spiffe://x]"));
  for (const std::string host : {"a.example", "b.example"}) {
    const auto service = ServiceAt(mesh, "shop/" + host);
    REQUIRE(service);
    CHECK(service->hostname() == host);
    CHECK(service->name() == "e");
    CHECK(service->canonical());
    REQUIRE(service->addresses_size() == 2);
    CHECK_FALSE(service->addresses(0).has_length());
    CHECK(service->addresses(1).length() == 24);
    REQUIRE(service->ports_size() == 1);
    CHECK(service->ports(0).service_port() == 80);
    CHECK(service->ports(0).target_port() == 8080);
    CHECK(service->ports(0).app_protocol() == pb::HTTP11);
    CHECK(service->subject_alt_names(0) == "spiffe://x");
  }
}

TEST_CASE(
    "an endpoint of an entry stands behind each of its hosts, on its own port if it has one") {
  const Mesh mesh(Entry("e",
                        "hosts: [a.example, b.example], resolution: STATIC, endpoints: [{address: "
                        "192.0.2.1, ports: {http: 9090}, weight: 3, locality: r/z/s}, {address: "
                        "192.0.2.2, network: far}, {address: unix:/socket}]"));
  const auto first = WorkloadAt(mesh, "ServiceEntry/shop/e/192.0.2.1");
  REQUIRE(first);
  CHECK(PortsOf(*first, "shop/a.example") == "80->9090 ");
  CHECK(PortsOf(*first, "shop/b.example") == "80->9090 ");
  CHECK(first->capacity().value() == 3);
  CHECK(first->locality().zone() == "z");
  CHECK(first->status() == pb::HEALTHY);
  const auto second = WorkloadAt(mesh, "ServiceEntry/shop/e/192.0.2.2");
  REQUIRE(second);
  CHECK(PortsOf(*second, "shop/a.example") == "80->8080 ");
  CHECK(second->network() == "far");
  CHECK_FALSE(second->has_capacity());
}

TEST_CASE("an entry of resolution DNS without endpoints is where its names say") {
  const Mesh mesh(Entry("e", "hosts: [a.example, b.example], resolution: DNS"));
  const auto workload = WorkloadAt(mesh, "ServiceEntry/shop/e/a.example");
  REQUIRE(workload);
  CHECK(workload->hostname() == "a.example");
  CHECK(workload->addresses_size() == 0);
  CHECK(PortsOf(*workload, "shop/a.example") == "80->8080 ");
  CHECK(PortsOf(*workload, "shop/b.example") == "none");
}

TEST_CASE("traffic to an entry of resolution NONE goes to the address that the client chose") {
  const Mesh mesh(Entry("e", "hosts: [a.example], addresses: [203.0.113.1]"));
  const auto service = ServiceAt(mesh, "shop/a.example");
  REQUIRE(service);
  CHECK(service->load_balancing().mode() == pb::LoadBalancing::PASSTHROUGH);
  CHECK(service->load_balancing().health_policy() == pb::LoadBalancing::ALLOW_ALL);
}

TEST_CASE("an entry selects pods and machines of its namespace by their labels") {
  const Mesh mesh(kPod + Machine("address: 192.0.2.9, labels: {app: db}, ports: {http: 1234}") +
                  Entry("e",
                        "hosts: [a.example], resolution: STATIC, workloadSelector: {labels: "
                        "{app: db}}"));
  const auto pod = mesh.WorkloadOf("shop/a");
  REQUIRE(pod);
  CHECK(PortsOf(*pod, "shop/a.example") == "80->8080 ");
  const auto machine = WorkloadAt(mesh, "WorkloadEntry/shop/vm");
  REQUIRE(machine);
  CHECK(PortsOf(*machine, "shop/a.example") == "80->1234 ");
  CHECK(machine->canonical_name() == "db");
}

TEST_CASE("a Service selects machines, too, and one that lacks a named port does not serve it") {
  const Mesh mesh(
      Machine("address: 192.0.2.9, ports: {web: 1234}") +
      "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: shop}, spec: {clusterIP: "
      "10.96.0.1, selector: {machine: one}, ports: [{name: a, port: 80, targetPort: web}, {name: "
      "b, port: 81, targetPort: other}, {name: c, port: 82}]}}\n");
  const auto machine = WorkloadAt(mesh, "WorkloadEntry/shop/vm");
  REQUIRE(machine);
  CHECK(PortsOf(*machine, "shop/s.shop.svc.cluster.local") == "80->1234 82->82 ");
}

TEST_CASE("a machine with a tunnel of its own is reached through it as its account") {
  const Mesh mesh(
      Machine("address: vm.example, serviceAccount: sa, labels: {networking.istio.io/tunnel: "
              "http}"));
  const auto machine = WorkloadAt(mesh, "WorkloadEntry/shop/vm");
  REQUIRE(machine);
  CHECK(machine->native_tunnel());
  CHECK(machine->tunnel_protocol() == pb::HBONE);
  CHECK(machine->service_account() == "sa");
  CHECK(machine->hostname() == "vm.example");
}

TEST_CASE("of two entries for a host in a namespace the oldest counts") {
  const Mesh mesh(Entry("a", "hosts: [h.example], resolution: STATIC, addresses: [203.0.113.1]",
                        ", creationTimestamp: 2026-02-01T00:00:00Z") +
                  Entry("b", "hosts: [h.example], resolution: STATIC, addresses: [203.0.113.2]",
                        ", creationTimestamp: 2026-01-01T00:00:00Z"));
  CHECK(ServiceAt(mesh, "shop/h.example")->name() == "b");
}

TEST_CASE("a Service is not replaced by an entry of its name") {
  const Mesh mesh(
      Entry("e", "hosts: [s.shop.svc.cluster.local], resolution: STATIC") +
      "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: shop}, spec: {clusterIP: "
      "10.96.0.1, ports: [{port: 80}]}}\n");
  CHECK(ServiceAt(mesh, "shop/s.shop.svc.cluster.local")->name() == "s");
}

TEST_CASE("wildcard hosts are served only where names are resolved one by one") {
  const Mesh mesh(Entry("e", "hosts: ['*.a.example'], resolution: NONE") +
                  Entry("f", "hosts: ['*.b.example'], resolution: DYNAMIC_DNS"));
  CHECK_FALSE(ServiceAt(mesh, "shop/*.a.example"));
  CHECK(ServiceAt(mesh, "shop/*.b.example"));
}

TEST_CASE("an entry without an address gets one of each family, or what its status says") {
  const std::string automatic = Entry("e", "hosts: [a.example], resolution: DNS");
  const auto service = ServiceAt(Mesh(automatic), "shop/a.example");
  REQUIRE(service->addresses_size() == 2);
  CHECK(Ip::FromBytes(std::string_view(service->addresses(0).address()))
            ->ToString()
            .starts_with("240.240."));
  CHECK(Ip::FromBytes(std::string_view(service->addresses(1).address()))
            ->ToString()
            .starts_with("2001:2:"));
  const auto given =
      ServiceAt(Mesh(Entry("e", "hosts: [a.example, b.example], resolution: DNS", "",
                           ", status: {addresses: [{value: 240.240.7.7, host: a.example}]}")),
                "shop/a.example");
  REQUIRE(given->addresses_size() == 1);
  CHECK(given->addresses(0).address() == Ip::V4(240, 240, 7, 7).ByteString());
  const auto unwanted =
      ServiceAt(Mesh(Entry("e", "hosts: [a.example], resolution: DNS",
                           ", labels: {networking.istio.io/enable-autoallocate-ip: 'false'}")),
                "shop/a.example");
  CHECK(unwanted->addresses_size() == 0);
}

TEST_CASE("no automatic address is given twice") {
  AutomaticAddresses automatic;
  std::set<Ip> seen;
  for (int i = 0; i < 0xfffe; ++i) {
    for (const Ip& ip : automatic.Choose("name-" + std::to_string(i)))
      REQUIRE(seen.insert(ip).second);
  }
  CHECK(seen.size() == 2 * 0xfffe);
  CHECK(automatic.Choose("one too many").empty());
}

TEST_CASE("an entry goes through the waypoint that its label names, and says so") {
  const Mesh mesh(
      Entry("e", "hosts: [a.example], resolution: DNS", ", labels: {istio.io/use-waypoint: lost}"));
  CHECK(ServiceAt(mesh, "shop/a.example")->has_waypoint());
  CHECK(mesh.ConditionOf(Kind::kServiceEntry, "shop/e", "istio.io/WaypointBound") ==
        "False WaypointIsNotReady");
}

TEST_CASE("an entry that goes through no waypoint any more takes back what was said of one") {
  const std::string said =
      ", status: {conditions: [{type: istio.io/WaypointBound, status: 'True'}]}";
  const Mesh mesh(Entry("e", "hosts: [a.example], resolution: DNS", "", said));
  REQUIRE(mesh.StatusOf(Kind::kServiceEntry, "shop/e") != nullptr);
  CHECK(mesh.StatusOf(Kind::kServiceEntry, "shop/e")->conditions.empty());
  const Mesh silent(Entry("e", "hosts: [a.example], resolution: DNS"));
  CHECK(silent.StatusOf(Kind::kServiceEntry, "shop/e") == nullptr);
}

TEST_CASE("the address of a Service is nobody else's") {
  const Mesh mesh(
      "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: other}, spec: {clusterIP: "
      "10.96.0.1, ports: [{port: 80}]}}\n---\n" +
      Machine("address: 10.96.0.1") +
      Entry("e",
            "hosts: [a.example], resolution: STATIC, addresses: [10.96.0.1, 10.96.0.0/16], "
            "endpoints: [{address: 10.96.0.1}]"));
  CHECK_FALSE(WorkloadAt(mesh, "WorkloadEntry/shop/vm"));
  CHECK_FALSE(WorkloadAt(mesh, "ServiceEntry/shop/e/10.96.0.1"));
  const auto service = ServiceAt(mesh, "shop/a.example");
  REQUIRE(service->addresses_size() == 1);
  CHECK(service->addresses(0).length() == 16);
  CHECK(mesh.result().warnings.size() == 3);
}

TEST_CASE("an entry whose parts multiply beyond bounds is refused") {
  std::string hosts;
  std::string endpoints;
  for (int i = 0; i < 250; ++i) hosts += "h" + std::to_string(i) + ".example,";
  for (int i = 0; i < 250; ++i) endpoints += "{address: 10.1.2." + std::to_string(i) + "},";
  CHECK(RefusalOf(Entry("e", "hosts: [" + hosts + "], resolution: STATIC, endpoints: [" +
                                 endpoints + "]"))
            .find("spec.endpoints") != std::string::npos);
}

TEST_CASE("entries that cannot be read are refused by the field") {
  CHECK(RefusalOf(Entry("e", "hosts: [], resolution: DNS")).find("spec.hosts") !=
        std::string::npos);
  CHECK(
      RefusalOf(Entry("e", "hosts: [a.example], addresses: [300.0.0.1]")).find("spec.addresses") !=
      std::string::npos);
  CHECK(RefusalOf(Machine("address: 'not an address'")).find("spec.address") != std::string::npos);
  CHECK(RefusalOf(Entry("e",
                        "hosts: [a.example], workloadSelector: {labels: {a: b}}, endpoints: "
                        "[{address: 192.0.2.1}]"))
            .find("spec.endpoints") != std::string::npos);
}

}  // namespace aquifer::control
