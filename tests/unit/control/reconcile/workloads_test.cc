#include "control/reconcile/workloads.h"

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

namespace pb = istio::workload;

// One pod whose manifest is completed by `more`.
std::string PodYaml(std::string_view metadata, std::string_view spec, std::string_view status) {
  return "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: web" + std::string(metadata) +
         "}, spec: {" + std::string(spec) + "}, status: {podIP: 10.0.0.1" + std::string(status) +
         "}}\n";
}

pb::Workload WorkloadOf(std::string_view metadata, std::string_view spec = "",
                        std::string_view status = "") {
  const auto workload = Mesh(PodYaml(metadata, spec, status)).WorkloadOf("web/a");
  REQUIRE(workload.has_value());
  return *workload;
}

std::string ServiceYaml(std::string_view spec, std::string_view metadata = "") {
  return "---\n{apiVersion: v1, kind: Service, metadata: {name: s, namespace: web" +
         std::string(metadata) + "}, spec: {" + std::string(spec) + "}}\n";
}

pb::Service ServiceOf(std::string_view spec, std::string_view metadata = "") {
  const auto service = Mesh(ServiceYaml(spec, metadata)).ServiceOf("web/s");
  REQUIRE(service.has_value());
  return *service;
}

}  // namespace

TEST_CASE("a pod becomes a workload") {
  const pb::Workload w = WorkloadOf(", labels: {app: httpbin, version: v1}",
                                    "serviceAccountName: sa, nodeName: node-a",
                                    ", phase: Running, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]");
  CHECK(w.uid() == "Kubernetes//Pod/web/a");
  CHECK(w.name() == "a");
  CHECK(w.namespace_() == "web");
  REQUIRE(w.addresses_size() == 2);
  CHECK(w.addresses(0) == std::string("\x0a\x00\x00\x01", 4));
  CHECK(w.addresses(1).size() == 16);
  CHECK(w.trust_domain().empty());
  CHECK(w.service_account() == "sa");
  CHECK(w.node() == "node-a");
  CHECK(w.canonical_name() == "httpbin");
  CHECK(w.canonical_revision() == "v1");
  CHECK(w.workload_type() == pb::POD);
  CHECK(w.workload_name() == "a");
  CHECK(w.cluster_id() == "Kubernetes");
  CHECK(w.status() == pb::HEALTHY);
  CHECK(w.tunnel_protocol() == pb::NONE);
}

TEST_CASE("another trust domain, cluster and network are written out") {
  const MeshSettings settings{
      .cluster_id = "west", .trust_domain = "example.org", .network = "net-1"};
  const Mesh mesh(PodYaml("", "", ""), settings);
  const Resource* resource = mesh.ResourceOf(ResourceType::kAddress, "west//Pod/web/a");
  REQUIRE(resource != nullptr);
  pb::Address address;
  REQUIRE(address.ParseFromString(resource->bytes));
  CHECK(address.workload().trust_domain() == "example.org");
  CHECK(address.workload().network() == "net-1");
  CHECK(resource->aliases == std::vector<std::string>{"net-1/10.0.0.1"});
}

TEST_CASE("pods that have ended or have no address are no workloads") {
  CHECK_FALSE(Mesh(PodYaml("", "", ", phase: Succeeded")).WorkloadOf("web/a").has_value());
  CHECK_FALSE(Mesh(PodYaml("", "", ", phase: Failed")).WorkloadOf("web/a").has_value());
  CHECK_FALSE(Mesh("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: web}}")
                  .WorkloadOf("web/a")
                  .has_value());
  CHECK(Mesh(PodYaml("", "", ", phase: Pending")).WorkloadOf("web/a")->status() == pb::UNHEALTHY);
}

TEST_CASE("health is readiness without a deletion under way") {
  CHECK(WorkloadOf("").status() == pb::HEALTHY);
  CHECK(WorkloadOf("", "", ", phase: Running, conditions: [{type: Ready, status: 'True'}]")
            .status() == pb::HEALTHY);
  CHECK(WorkloadOf("", "", ", phase: Running, conditions: [{type: Ready, status: 'False'}]")
            .status() == pb::UNHEALTHY);
  CHECK(WorkloadOf(", deletionTimestamp: '2024-01-01T00:00:00Z'").status() == pb::UNHEALTHY);
}

TEST_CASE(
    "a pod that is being deleted serves as long as it is ready and its service has no other") {
  const std::string ready = ", phase: Running, conditions: [{type: Ready, status: 'True'}]";
  const std::string leaving = ", labels: {app: a}, deletionTimestamp: '2024-01-01T00:00:00Z'";
  const std::string service = ServiceYaml("selector: {app: a}");
  const std::string other =
      "---\n{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: web, labels: {app: a}}, "
      "status: {podIP: 10.0.0.2, phase: Running, conditions: [{type: Ready, status: 'True'}]}}\n";
  CHECK(Mesh(PodYaml(leaving, "", ready) + service).WorkloadOf("web/a")->status() == pb::HEALTHY);
  CHECK(Mesh(PodYaml(leaving, "", ready)).WorkloadOf("web/a")->status() == pb::UNHEALTHY);
  const Mesh two(PodYaml(leaving, "", ready) + service + other);
  CHECK(two.WorkloadOf("web/a")->status() == pb::UNHEALTHY);
  CHECK(two.WorkloadOf("web/b")->status() == pb::HEALTHY);
  const std::string not_ready = ", phase: Running, conditions: [{type: Ready, status: 'False'}]";
  CHECK(Mesh(PodYaml(leaving, "", not_ready) + service).WorkloadOf("web/a")->status() ==
        pb::UNHEALTHY);
}

TEST_CASE("a captured pod is reached by HBONE") {
  struct Row {
    const char* namespace_mode;
    const char* metadata;
    const char* spec;
    bool hbone;
  };
  const Row rows[] = {
      {"", "", "", false},
      {"ambient", "", "", true},
      {"none", "", "", false},
      {"", ", labels: {istio.io/dataplane-mode: ambient}", "", true},
      {"ambient", ", labels: {istio.io/dataplane-mode: none}", "", false},
      {"ambient", "", "hostNetwork: true", false},
      {"ambient", ", annotations: {sidecar.istio.io/status: '{}'}", "", false},
      {"", ", annotations: {ambient.istio.io/redirection: enabled}", "", true},
      {"", ", annotations: {ambient.istio.io/redirection: pending}", "", false},
  };
  for (const Row& row : rows) {
    const std::string space =
        "{apiVersion: v1, kind: Namespace, metadata: {name: web, labels: {istio.io/dataplane-mode: "
        "'" +
        std::string(row.namespace_mode) + "'}}}\n---\n";
    const auto workload = Mesh(space + PodYaml(row.metadata, row.spec, "")).WorkloadOf("web/a");
    INFO(row.namespace_mode << row.metadata << row.spec);
    CHECK((workload->tunnel_protocol() == pb::HBONE) == row.hbone);
  }
}

TEST_CASE("where the node's agent writes annotations, labels alone capture nobody") {
  MeshSettings settings;
  settings.capture = MeshSettings::Capture::kAnnotation;
  const auto captured = [&](const char* metadata) {
    const auto workload = Mesh(PodYaml(metadata, "", ""), settings).WorkloadOf("web/a");
    return workload->tunnel_protocol() == pb::HBONE;
  };
  CHECK_FALSE(captured(", labels: {istio.io/dataplane-mode: ambient}"));
  CHECK_FALSE(captured(", annotations: {ambient.istio.io/redirection: pending}"));
  CHECK(captured(", annotations: {ambient.istio.io/redirection: enabled}"));
}

TEST_CASE("a pod that serves HBONE itself says so") {
  const pb::Workload w = WorkloadOf(", labels: {networking.istio.io/tunnel: http}");
  CHECK(w.tunnel_protocol() == pb::HBONE);
  CHECK(w.native_tunnel());
}

TEST_CASE("a pod of a Deployment is named after the Deployment") {
  CHECK(WorkloadOf(", labels: {pod-template-hash: 5d4}, ownerReferences: [{kind: ReplicaSet, name: "
                   "httpbin-5d4, controller: true}]")
            .workload_name() == "httpbin");
  CHECK(WorkloadOf(", ownerReferences: [{kind: StatefulSet, name: db, controller: true}]")
            .workload_name() == "db");
  CHECK(
      WorkloadOf(", ownerReferences: [{kind: Node, name: n, controller: false}]").workload_name() ==
      "a");
}

TEST_CASE("the canonical name comes from the most specific label") {
  CHECK(WorkloadOf("").canonical_name() == "a");
  CHECK(WorkloadOf("").canonical_revision() == "latest");
  CHECK(WorkloadOf(", labels: {app: x, app.kubernetes.io/name: y}").canonical_name() == "y");
  CHECK(WorkloadOf(", labels: {app: x, service.istio.io/canonical-name: z}").canonical_name() ==
        "z");
}

TEST_CASE("a node's labels place its pods") {
  const Mesh mesh(
      "{apiVersion: v1, kind: Node, metadata: {name: n, labels: {topology.kubernetes.io/region: r, "
      "topology.kubernetes.io/zone: z}}}\n---\n" +
      PodYaml("", "nodeName: n", ""));
  CHECK(mesh.WorkloadOf("web/a")->locality().region() == "r");
  CHECK(mesh.WorkloadOf("web/a")->locality().zone() == "z");
}

TEST_CASE("a workload lists the services that select it, with its own target ports") {
  const Mesh mesh(PodYaml(", labels: {app: x}",
                          "containers: [{name: c, ports: [{name: web, containerPort: 8080}]}]",
                          "") +
                  ServiceYaml("clusterIP: 10.96.0.1, selector: {app: x}, ports: [{name: a, port: "
                              "80, targetPort: web}, {name: b, "
                              "port: 81, targetPort: other}, {name: c, port: 82, targetPort: "
                              "8082}, {name: d, port: 53, protocol: UDP}]"));
  const auto services = mesh.WorkloadOf("web/a")->services();
  REQUIRE(services.count("web/s.web.svc.cluster.local") == 1);
  const pb::PortList& ports = services.at("web/s.web.svc.cluster.local");
  REQUIRE(ports.ports_size() == 2);
  CHECK(ports.ports(0).service_port() == 80);
  CHECK(ports.ports(0).target_port() == 8080);
  CHECK(ports.ports(1).target_port() == 8082);
}

TEST_CASE("a service without a selector selects nothing, nor does one of another namespace") {
  CHECK(Mesh(PodYaml(", labels: {app: x}", "", "") + ServiceYaml("ports: [{port: 80}]"))
            .WorkloadOf("web/a")
            ->services()
            .empty());
  const std::string elsewhere =
      "---\n{apiVersion: v1, kind: Service, metadata: {name: s, namespace: other}, spec: "
      "{selector: {app: x}}}\n";
  CHECK(Mesh(PodYaml(", labels: {app: x}", "", "") + elsewhere)
            .WorkloadOf("web/a")
            ->services()
            .empty());
}

TEST_CASE("a service becomes a service with its addresses and ports") {
  const pb::Service s = ServiceOf(
      "clusterIPs: [10.96.0.1, 'fd00::1'], ports: [{name: http, port: 80, targetPort: 8080}, "
      "{name: dns, port: 53, protocol: UDP}]");
  CHECK(s.name() == "s");
  CHECK(s.hostname() == "s.web.svc.cluster.local");
  CHECK(s.addresses_size() == 2);
  REQUIRE(s.ports_size() == 1);
  CHECK(s.ports(0).service_port() == 80);
  CHECK(s.ports(0).target_port() == 8080);
  CHECK(s.ip_families() == pb::DUAL);
  CHECK(s.canonical());
  CHECK_FALSE(s.has_waypoint());
  CHECK_FALSE(s.has_load_balancing());
}

TEST_CASE("headless services are resources, external names are not") {
  CHECK(ServiceOf("clusterIP: None").addresses_size() == 0);
  CHECK_FALSE(
      Mesh(ServiceYaml("type: ExternalName, externalName: a.com")).ServiceOf("web/s").has_value());
}

TEST_CASE("a named target port is left to the endpoints") {
  CHECK(ServiceOf("ports: [{port: 80, targetPort: web}]").ports(0).target_port() == 0);
}

TEST_CASE("the protocol of a port is what it declares") {
  const std::pair<const char*, pb::AppProtocol> rows[] = {
      {"{port: 80, name: x, appProtocol: http}", pb::HTTP11},
      {"{port: 80, name: http-x, appProtocol: kubernetes.io/h2c}", pb::HTTP2},
      {"{port: 80, name: http-x, appProtocol: kubernetes.io/ws}", pb::HTTP11},
      {"{port: 80, name: http-x, appProtocol: example.com/custom}", pb::UNKNOWN},
      {"{port: 80, name: http}", pb::HTTP11},
      {"{port: 80, name: http-web}", pb::HTTP11},
      {"{port: 80, name: http2-web}", pb::HTTP2},
      {"{port: 80, name: grpc}", pb::GRPC},
      {"{port: 80, name: grpc-web-x}", pb::HTTP11},
      {"{port: 80, name: tcp-x}", pb::TCP},
      {"{port: 443, name: https}", pb::TLS},
      {"{port: 80, name: web}", pb::UNKNOWN},
      {"{port: 80}", pb::UNKNOWN},
      {"{port: 3306}", pb::TCP},
      {"{port: 3306, name: http}", pb::HTTP11},
  };
  for (const auto& [port, protocol] : rows) {
    INFO(port);
    CHECK(ServiceOf("ports: [" + std::string(port) + "]").ports(0).app_protocol() == protocol);
  }
}

TEST_CASE("traffic distribution sets the load balancing, local traffic beats it") {
  using Lb = pb::LoadBalancing;
  CHECK(ServiceOf("trafficDistribution: PreferClose").load_balancing().mode() == Lb::FAILOVER);
  CHECK(ServiceOf("trafficDistribution: PreferClose").load_balancing().routing_preference_size() ==
        3);
  CHECK(
      ServiceOf("trafficDistribution: PreferSameNode").load_balancing().routing_preference_size() ==
      5);
  CHECK(ServiceOf("", ", annotations: {networking.istio.io/traffic-distribution: PreferClose}")
            .load_balancing()
            .mode() == Lb::FAILOVER);
  const Lb local =
      ServiceOf("internalTrafficPolicy: Local, trafficDistribution: PreferClose").load_balancing();
  CHECK(local.mode() == Lb::STRICT);
  CHECK(local.routing_preference(0) == Lb::NODE);
  CHECK(ServiceOf("publishNotReadyAddresses: true").load_balancing().health_policy() ==
        Lb::ALLOW_ALL);
}

TEST_CASE("an on-demand client finds a workload by its address and by its services") {
  const Mesh mesh(PodYaml(", labels: {app: x}", "nodeName: n", "") +
                  ServiceYaml("clusterIP: 10.96.0.1, selector: {app: x}"));
  const Resource* pod = mesh.ResourceOf(ResourceType::kAddress, "Kubernetes//Pod/web/a");
  REQUIRE(pod != nullptr);
  CHECK(pod->aliases == std::vector<std::string>{"/10.0.0.1"});
  CHECK(pod->brought_by == std::vector<std::string>{"web/s.web.svc.cluster.local", "/10.96.0.1"});
  CHECK(pod->node == "n");
  const Resource* service = mesh.ResourceOf(ResourceType::kAddress, "web/s.web.svc.cluster.local");
  REQUIRE(service != nullptr);
  CHECK(service->aliases == std::vector<std::string>{"/10.96.0.1"});
}

TEST_CASE("the node's address does not lead to a pod that shares it") {
  const Mesh mesh(PodYaml("", "hostNetwork: true", ""));
  CHECK(mesh.ResourceOf(ResourceType::kAddress, "Kubernetes//Pod/web/a")->aliases.empty());
  CHECK(mesh.WorkloadOf("web/a")->network_mode() == pb::HOST_NETWORK);
}

TEST_CASE("two pods with one address are pointed out") {
  const std::string other =
      "---\n{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: web}, status: {podIP: "
      "10.0.0.1}}\n";
  const Mesh mesh(PodYaml("", "", "") + other);
  REQUIRE(mesh.result().warnings.size() == 1);
  CHECK(mesh.result().warnings[0] == "Pods web/a and web/b have the same address 10.0.0.1");
}

TEST_CASE("the same objects give the same bytes") {
  const std::string yaml = PodYaml(", labels: {app: x}", "", "") +
                           ServiceYaml("selector: {app: x}, ports: [{port: 1}]") +
                           "---\n{apiVersion: v1, kind: Service, metadata: {name: t, namespace: "
                           "web}, spec: {selector: {app: x}}}\n"
                           "---\n{apiVersion: v1, kind: Service, metadata: {name: u, namespace: "
                           "web}, spec: {selector: {app: x}}}\n";
  const Mesh first(yaml), second(yaml);
  CHECK(*first.ResourceOf(ResourceType::kAddress, "Kubernetes//Pod/web/a") ==
        *second.ResourceOf(ResourceType::kAddress, "Kubernetes//Pod/web/a"));
}

}  // namespace aquifer::control
