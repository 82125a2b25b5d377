#include "control/reconcile/endpoints.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

namespace pb = istio::workload;

const std::string kHostname = "web/db.web.svc.cluster.local";

std::string ServiceYaml(const std::string& selector) {
  return "{apiVersion: v1, kind: Service, metadata: {name: db, namespace: web}, spec: {clusterIP: "
         "10.96.0.1, " +
         selector +
         "ports: [{name: sql, port: 3306}, {name: dns, port: 53, protocol: UDP}, {name: other, "
         "port: "
         "9}]}}\n---\n";
}

std::string SliceYaml(const std::string& endpoints, const std::string& service = "db",
                      const std::string& type = "IPv4") {
  return "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: db-1, namespace: "
         "web, labels: {kubernetes.io/service-name: " +
         service + "}}, addressType: " + type + ", endpoints: [" + endpoints +
         "], ports: [{name: sql, port: 33060}, {name: dns, port: 53, protocol: UDP}, {name: "
         "unknown, port: 1}]}\n---\n";
}

const std::string kPod =
    "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: web, labels: {app: db}}, spec: "
    "{serviceAccountName: sa}, status: {podIP: 10.0.0.1}}\n---\n";

std::optional<pb::Workload> OutsideOf(const Mesh& mesh, const std::string& ip) {
  const Resource* resource = mesh.ResourceOf(
      ResourceType::kAddress, "Kubernetes/discovery.k8s.io/EndpointSlice/web/db-1/" + ip);
  if (resource == nullptr) return std::nullopt;
  pb::Address address;
  REQUIRE(address.ParseFromString(resource->bytes));
  return address.workload();
}

std::string PortsOf(const pb::Workload& workload) {
  const auto found = workload.services().find(kHostname);
  if (found == workload.services().end()) return "none";
  std::string text;
  for (const pb::Port& port : found->second.ports())
    text += std::to_string(port.service_port()) + "->" + std::to_string(port.target_port()) + " ";
  return text;
}

}  // namespace

TEST_CASE("an address that is no pod is a workload without an identity") {
  const Mesh mesh(ServiceYaml("") +
                  SliceYaml("{addresses: [192.0.2.1], nodeName: n}, {addresses: [192.0.2.2], "
                            "conditions: {ready: false}}"));
  const auto workload = OutsideOf(mesh, "192.0.2.1");
  REQUIRE(workload);
  CHECK(workload->network_mode() == pb::HOST_NETWORK);
  CHECK(workload->service_account().empty());
  CHECK(workload->tunnel_protocol() == pb::NONE);
  CHECK(workload->status() == pb::HEALTHY);
  CHECK(workload->node() == "n");
  CHECK(PortsOf(*workload) == "3306->33060 ");
  const auto other = OutsideOf(mesh, "192.0.2.2");
  REQUIRE(other);
  CHECK(other->status() == pb::UNHEALTHY);
}

TEST_CASE("a service brings along its endpoints that are no pods, and their addresses do not") {
  const Mesh mesh(ServiceYaml("") + SliceYaml("{addresses: [192.0.2.1]}"));
  const Resource* resource = mesh.ResourceOf(
      ResourceType::kAddress, "Kubernetes/discovery.k8s.io/EndpointSlice/web/db-1/192.0.2.1");
  REQUIRE(resource != nullptr);
  CHECK(resource->brought_by == std::vector<std::string>{kHostname, "/10.96.0.1"});
  CHECK(resource->aliases.empty());
}

TEST_CASE("a service without a selector finds its pods by slices") {
  const Mesh mesh(ServiceYaml("") + kPod +
                  SliceYaml("{addresses: [10.0.0.1], targetRef: {kind: Pod, name: a}}"));
  CHECK(PortsOf(*mesh.WorkloadOf("web/a")) == "3306->33060 ");
  CHECK(mesh.WorkloadOf("web/a")->service_account() == "sa");
  CHECK(!OutsideOf(mesh, "10.0.0.1"));
}

TEST_CASE("a selector counts, and slices do not contradict it") {
  const Mesh mesh(ServiceYaml("selector: {app: db}, ") + kPod +
                  SliceYaml("{addresses: [10.0.0.1], targetRef: {kind: Pod, name: a}}"));
  CHECK(PortsOf(*mesh.WorkloadOf("web/a")) == "3306->3306 9->9 ");
  const Mesh none(ServiceYaml("selector: {app: other}, ") + kPod +
                  SliceYaml("{addresses: [10.0.0.1], targetRef: {kind: Pod, name: a}}"));
  CHECK(PortsOf(*none.WorkloadOf("web/a")) == "none");
}

TEST_CASE("slices of no service, of host names and of pods that are not there are nothing") {
  CHECK(!OutsideOf(Mesh(ServiceYaml("") + SliceYaml("{addresses: [192.0.2.1]}", "other")),
                   "192.0.2.1"));
  const Mesh names(ServiceYaml("") + SliceYaml("{addresses: [db.example.com]}", "db", "FQDN"));
  CHECK(names.result().resources.types[0].size() == 1);
  const Mesh gone(ServiceYaml("") +
                  SliceYaml("{addresses: [10.0.0.1], targetRef: {kind: Pod, name: a}}"));
  CHECK(gone.result().resources.types[0].size() == 1);
}

TEST_CASE("a slice whose addresses are none is refused by its field") {
  CHECK(RefusalOf(SliceYaml("{addresses: [db.example.com]}"))
            .ends_with("endpoints[0].addresses: has one that is not an IP address"));
}

}  // namespace aquifer::control
