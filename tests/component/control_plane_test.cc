// The control plane in one process with its clients, over TLS on loopback: discovery, certificates,
// what happens to strangers, and what a restart keeps.
#include "control/control_plane.h"

#include <nlohmann/json.hpp>

#include "certs/file.h"
#include "mesh/proto/waypoint.pb.h"
#include "tests/component/control_world.h"

namespace aquifer::control {
namespace {

Task<void> SeeTheMesh(const Site& site, const Plane& plane) {
  Client client(site, plane, site.TokenOf("node/node-a"));
  const Response response = co_await client.Subscribe(Asking(ResourceType::kAddress));
  CHECK(Sent(response) == Names{"Kubernetes//Pod/default/client", "Kubernetes//Pod/default/server",
                                "Kubernetes//Pod/default/way",
                                "default/server.default.svc.cluster.local"});
  co_await client.Send(Asking(ResourceType::kGateway));
  const Response gateways = co_await client.Take();
  CHECK(Sent(gateways).empty());
  co_await client.End();
}

Task<void> FollowAChange(const Site& site, const Plane& plane) {
  Client client(site, plane, site.TokenOf("node/node-a"));
  co_await client.Subscribe(Asking(ResourceType::kAddress));
  site.manifests.Write(
      "more.yaml",
      "{apiVersion: v1, kind: Service, metadata: {name: late}, spec: {clusterIP: 10.96.0.2}}");
  const Response added = co_await client.Take();
  CHECK(Sent(added) == Names{"default/late.default.svc.cluster.local"});
  site.manifests.Remove("more.yaml");
  const Response removed = co_await client.Take();
  CHECK(removed.removed_resources(0) == "default/late.default.svc.cluster.local");
  co_await client.End();
}

Task<void> GetCertificates(const Site& site, const Plane& plane) {
  using Kind = certs::CaClientOptions::Caller;
  Client node(site, plane, site.TokenOf("node/node-a"));
  const std::string own = co_await CertificateFor(node, Kind::kNode, "server");
  CHECK(own == "spiffe://cluster.local/ns/default/sa/server");
  for (const char* account : {"client", "done", "nobody", "way-sa"}) {
    const std::string refused = co_await CertificateFor(node, Kind::kNode, account);
    INFO(refused);
    CHECK(refused.find("no pod of that account is scheduled on node-a") != std::string::npos);
  }
  const std::string itself = co_await CertificateFor(node, Kind::kWorkload, "server");
  CHECK(itself.find("ImpersonatedIdentity") != std::string::npos);
  Client waypoint(site, plane, site.TokenOf("workload/default/way-sa"));
  const std::string its = co_await CertificateFor(waypoint, Kind::kWorkload, "way-sa");
  CHECK(its == "spiffe://cluster.local/ns/default/sa/way-sa");
  const std::string foreign = co_await CertificateFor(waypoint, Kind::kNode, "server");
  CHECK(foreign.find("this token is for") != std::string::npos);
  co_await node.End();
  co_await waypoint.End();
}

Task<void> RefuseStrangers(const Site& site, const Plane& plane) {
  for (const std::string& token : {std::string(64, 'a'), std::string("short"), std::string()}) {
    Client client(site, plane, token);
    co_await client.OpenStream();
    const http::GrpcStatus status = co_await client.TakeEnd();
    CHECK(status.code == http::GrpcCode::kUnauthenticated);
    const std::string refused =
        co_await CertificateFor(client, certs::CaClientOptions::Caller::kNode, "server");
    CHECK(refused.find("token") != std::string::npos);
    co_await client.End();
  }
}

Task<void> ServeAWaypoint(const Site& site, const Plane& plane) {
  Client client(site, plane, site.TokenOf("workload/default/way-sa"));
  const Response own = co_await client.Subscribe(Asking(ResourceType::kGateway, "way"));
  CHECK(Sent(own) == Names{"default/way"});
  mesh::v1::Gateway gateway;
  REQUIRE(gateway.ParseFromString(own.resources(0).resource().value()));
  CHECK(gateway.service_account() == "way-sa");
  co_await client.End();
  // A gateway of another namespace is none of its business, whatever it calls itself.
  Client curious(site, plane, site.TokenOf("workload/default/way-sa"));
  const Response others = co_await curious.Subscribe(Asking(ResourceType::kGateway, "other"));
  CHECK(Sent(others).empty());
  co_await curious.End();
}

struct Memory {
  std::string root;
  std::string token;
  std::map<std::string, std::string> versions;
};

Task<void> Remember(const Site& site, Memory& memory) {
  Plane plane(site);
  co_await plane.Start();
  Client client(site, plane, site.TokenOf("node/node-a"));
  const Response response = co_await client.Subscribe(Asking(ResourceType::kAddress));
  for (const auto& resource : response.resources())
    memory.versions[resource.name()] = resource.version();
  memory.root = *certs::ReadSmallFile(site.state.Of("ca/root-cert.pem"), 1 << 20);
  memory.token = *certs::ReadSmallFile(site.TokenOf("node/node-a"), 1 << 20);
  co_await client.End();
  co_await plane.End();
}

Task<void> ComeBack(const Site& site, const Memory& memory) {
  Plane plane(site);
  co_await plane.Start();
  CHECK(*certs::ReadSmallFile(site.state.Of("ca/root-cert.pem"), 1 << 20) == memory.root);
  Client client(site, plane, memory.token);
  Request request = Asking(ResourceType::kAddress);
  for (const auto& [name, version] : memory.versions)
    (*request.mutable_initial_resource_versions())[name] = version;
  const Response response = co_await client.Subscribe(std::move(request));
  CHECK(Sent(response).empty());
  CHECK(response.removed_resources().empty());
  co_await client.End();
  co_await plane.End();
}

Task<void> SurviveNonsense(const Site& site, const Plane& plane) {
  for (const char* bytes :
       {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff nonsense", "\x00\x00\x00"}) {
    Result<io::SocketPtr> socket = co_await io::Connect(plane.discovery(), StopToken());
    REQUIRE(socket.ok());
    Chunk chunk = Chunk::CopyOf(std::string_view(bytes));
    std::ignore = co_await (*socket)->Write(std::move(chunk), StopToken());
    std::ignore = co_await (*socket)->ShutdownWrite(StopToken());
    std::ignore = co_await (*socket)->Read(StopToken());
  }
  Client client(site, plane, site.TokenOf("node/node-a"));
  co_await client.OpenStream();
  const Status sent = co_await client.call().Send("\xff\xff\xff not protobuf", client.stop());
  REQUIRE(sent.ok());
  const http::GrpcStatus status = co_await client.TakeEnd();
  CHECK(status.code == http::GrpcCode::kInvalidArgument);
  const Response response = co_await client.Subscribe(Asking(ResourceType::kAddress));
  CHECK(response.resources_size() == 4);
  co_await client.End();
}

// A client that goes without a word leaves no stream behind.
Task<void> LoseAClient(const Site& site, const Plane& plane) {
  {
    Client client(site, plane, site.TokenOf("node/node-a"));
    co_await client.Subscribe(Asking(ResourceType::kAddress));
    co_await client.End();
  }
  for (bool open = true; open;) {
    const http::Response metrics = co_await Ask(plane, "/metrics");
    open = metrics.body.find("aquifer_xds_streams 0\n") == std::string::npos;
  }
}

Task<void> LookAtAdmin(const Site&, const Plane& plane) {
  const http::Response ready = co_await Ask(plane, "/healthz/ready");
  CHECK(ready.status == 200);
  const http::Response status = co_await Ask(plane, "/status");
  const auto page = nlohmann::json::parse(status.body);
  REQUIRE(page["problems"].size() == 1);
  CHECK(page["problems"][0] == "bad.yaml, document 1 (line 1), Pod: metadata.name: is required");
  const http::Response metrics = co_await Ask(plane, "/metrics");
  CHECK(metrics.body.find("aquifer_control_problems 1\n") != std::string::npos);
}

Task<void> RunASecond(const Site& site, const Plane&) {
  Plane second(site);
  const std::string refusal = co_await second.Refused();
  CHECK(refusal == site.state.Of("lock") + ": is held by another aquifer-control");
}

Task<void> RunWithoutManifests(const Site& site, std::string& refusal) {
  ControlConfig config = Plane::ConfigOf(site);
  config.manifests = site.manifests.Of("missing");
  Plane plane(std::move(config));
  refusal = co_await plane.Refused();
}

}  // namespace

TEST_CASE("a node that shows its token sees the mesh, and no gateway's configuration") {
  Tell(&SeeTheMesh);
}

TEST_CASE("a change of the manifests reaches an open stream") { Tell(&FollowAChange); }

TEST_CASE("a node gets certificates for the pods that run there, a workload its own") {
  Tell(&GetCertificates);
}

TEST_CASE("who has no token of this mesh gets nothing") { Tell(&RefuseStrangers); }

TEST_CASE("a waypoint gets the configuration of its own Gateway") { Tell(&ServeAWaypoint); }

TEST_CASE("a restart keeps root, tokens and versions, so that nothing is sent twice") {
  const Site site;
  Memory memory;
  test::Run(Remember(site, memory));
  REQUIRE(memory.versions.size() == 4);
  test::Run(ComeBack(site, memory));
}

TEST_CASE("nonsense on the port hurts only who sent it") { Tell(&SurviveNonsense); }

TEST_CASE("a client that goes leaves no stream behind") { Tell(&LoseAClient); }

TEST_CASE("the admin port tells readiness, problems and metrics") {
  const Site site;
  site.manifests.Write("bad.yaml", "{apiVersion: v1, kind: Pod}");
  Tell(site, &LookAtAdmin);
}

TEST_CASE("two control planes never share a state directory") { Tell(&RunASecond); }

TEST_CASE("a directory that is not there ends the start with a sentence") {
  const Site site;
  std::string refusal;
  test::Run(RunWithoutManifests(site, refusal));
  CHECK(
      refusal.starts_with("--manifests: " + site.manifests.Of("missing") + " cannot be followed"));
}

}  // namespace aquifer::control
