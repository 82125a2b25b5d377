// The control plane in one process with its clients, over TLS on loopback: discovery, certificates,
// what happens to strangers, and what a restart keeps.
#include "control/control_plane.h"

#include <nlohmann/json.hpp>

#include "certs/ca_client.h"
#include "certs/channel.h"
#include "certs/file.h"
#include "certs/wall_clock.h"
#include "core/http/grpc_client.h"
#include "core/rt/timer.h"
#include "mesh/proto/waypoint.pb.h"
#include "tests/support/catch.h"
#include "tests/support/run_task.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::control {
namespace {

using Request = XdsSession::Request;
using Response = XdsSession::Response;
using Names = std::vector<std::string>;

const char* const kMesh = R"(
{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {istio.io/dataplane-mode: ambient}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: server, labels: {app: server}}, spec: {serviceAccountName: server, nodeName: node-a}, status: {podIP: 10.0.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: client}, spec: {serviceAccountName: client, nodeName: node-b}, status: {podIP: 10.0.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: done}, spec: {serviceAccountName: done, nodeName: node-a}, status: {podIP: 10.0.0.3, phase: Succeeded}}
---
{apiVersion: v1, kind: Service, metadata: {name: server}, spec: {clusterIP: 10.96.0.1, selector: {app: server}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: way, labels: {gateway.networking.k8s.io/gateway-name: way, istio.io/dataplane-mode: none}}, spec: {serviceAccountName: way-sa, nodeName: node-b}, status: {podIP: 10.0.0.9}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: way}, spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: other, namespace: edge}, spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}}
)";

// Directories that outlive the control planes of one test.
struct Site {
  TestDirectory manifests;
  TestDirectory state;
  std::string TokenOf(const std::string& caller) const { return state.Of("tokens/" + caller); }
};

class Plane {
 public:
  explicit Plane(const Site& site)
      : config_(ConfigOf(site)), log_(Quiet()), plane_(config_, log_, registry_) {}

  Task<void> Start() {
    running_.Spawn(RunPlane());
    TimedStop timed(StopToken(), std::chrono::seconds(30), Reason::kTimeout);
    const Status known = co_await plane_.known().Wait(timed.token());
    REQUIRE(known.ok());
  }
  Task<void> End() {
    stop_.RequestStop();
    co_await running_.Join();
    CHECK(outcome_.ok());
  }
  Address discovery() const { return plane_.discovery_address(); }
  Address admin() const { return plane_.admin_address(); }
  const Result<void, Refusal>& outcome() const { return outcome_; }

 private:
  static ControlConfig ConfigOf(const Site& site) {
    ControlConfig config;
    config.manifests = site.manifests.path();
    config.state = site.state.path();
    config.listen = {Ip::Loopback4(), 0};
    config.admin = {Ip::Loopback4(), 0};
    return config;
  }
  static obs::LoggerOptions Quiet() {
    obs::LoggerOptions options;
    options.writer.fd = -1;
    return options;
  }
  Task<void> RunPlane() { outcome_ = co_await plane_.Run(stop_.token()); }

  ControlConfig config_;
  obs::Logger log_;
  obs::Registry registry_;
  ControlPlane plane_;
  StopSource stop_;
  Result<void, Refusal> outcome_;
  Scope running_;
};

// A connection to the control plane with one token, and a deadline for everything on it.
class Client {
 public:
  Client(const Site& site, const Plane& plane, std::string token)
      : channel_(OptionsOf(site, plane, std::move(token)), &certs::SystemWallTime),
        timed_(StopToken(), std::chrono::seconds(30), Reason::kTimeout) {}

  certs::Channel& channel() { return channel_; }
  StopToken stop() { return timed_.token(); }
  Task<void> End() {
    call_.reset();
    co_await channel_.Shutdown();
  }

  Task<void> OpenStream() {
    Result<http::H2Connection*, certs::Failure> connection = co_await channel_.Connect(stop());
    REQUIRE(connection.ok());
    auto call = http::GrpcCall::Start(
        **connection,
        channel_.CallSpec(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"));
    REQUIRE(call.ok());
    call_ = *std::move(call);
  }
  Task<void> Send(const Request& request) {
    const Status sent = co_await call_->Send(request.SerializeAsString(), stop());
    REQUIRE(sent.ok());
  }
  // The next response, acknowledged.
  Task<Response> Take() {
    Result<std::optional<std::string>> message = co_await call_->Receive(stop());
    REQUIRE(message.ok());
    REQUIRE(message->has_value());
    Response response;
    REQUIRE(response.ParseFromString(**message));
    Request ack;
    ack.set_type_url(response.type_url());
    ack.set_response_nonce(response.nonce());
    co_await Send(ack);
    co_return response;
  }
  // The status of a stream that the server ends.
  Task<http::GrpcStatus> TakeEnd() {
    Result<std::optional<std::string>> message = co_await call_->Receive(stop());
    REQUIRE(message.ok());
    REQUIRE_FALSE(message->has_value());
    co_return call_->status();
  }
  http::GrpcCall& call() { return *call_; }

 private:
  static certs::ChannelOptions OptionsOf(const Site& site, const Plane& plane, std::string token) {
    certs::ChannelOptions options;
    options.address = plane.discovery().ToString();
    options.host_name = "istiod.istio-system.svc";
    options.roots = site.state.Of("ca/root-cert.pem");
    options.token = std::move(token);
    return options;
  }

  certs::Channel channel_;
  TimedStop timed_;
  std::unique_ptr<http::GrpcCall> call_;
};

Request Asking(ResourceType type, const std::string& gateway = "") {
  Request request;
  request.set_type_url(std::string(TypeUrl(type)));
  request.mutable_node()->set_id("test");
  if (!gateway.empty())
    (*request.mutable_node()->mutable_metadata()->mutable_fields())["GATEWAY_NAME"]
        .set_string_value(gateway);
  return request;
}

Names Sent(const Response& response) {
  Names names;
  for (const auto& resource : response.resources()) names.push_back(resource.name());
  return names;
}

Task<std::string> CertificateFor(Client& client, certs::CaClientOptions::Caller caller,
                                 std::string account) {
  certs::CaClient ca(client.channel(), {.caller = caller});
  certs::Identity identity{"cluster.local", "default", std::move(account)};
  const Result<certs::CertificateBundle, certs::Failure> bundle =
      co_await ca.Fetch(identity, client.stop());
  co_return bundle.ok() ? bundle->identity()->ToString() : "refused: " + bundle.error().detail;
}

Task<http::Response> Ask(const Plane& plane, std::string path);

Task<void> SeeTheMesh(const Site& site) {
  Plane plane(site);
  co_await plane.Start();
  Client client(site, plane, site.TokenOf("node/node-a"));
  co_await client.OpenStream();
  co_await client.Send(Asking(ResourceType::kAddress));
  const Response response = co_await client.Take();
  CHECK(Sent(response) == Names{"Kubernetes//Pod/default/client", "Kubernetes//Pod/default/server",
                                "Kubernetes//Pod/default/way",
                                "default/server.default.svc.cluster.local"});
  co_await client.Send(Asking(ResourceType::kGateway));
  const Response gateways = co_await client.Take();
  CHECK(Sent(gateways).empty());
  co_await client.End();
  co_await plane.End();
}

Task<void> FollowAChange(const Site& site) {
  Plane plane(site);
  co_await plane.Start();
  Client client(site, plane, site.TokenOf("node/node-a"));
  co_await client.OpenStream();
  co_await client.Send(Asking(ResourceType::kAddress));
  co_await client.Take();
  site.manifests.Write(
      "more.yaml",
      "{apiVersion: v1, kind: Service, metadata: {name: late}, spec: {clusterIP: 10.96.0.2}}");
  const Response added = co_await client.Take();
  CHECK(Sent(added) == Names{"default/late.default.svc.cluster.local"});
  site.manifests.Remove("more.yaml");
  const Response removed = co_await client.Take();
  CHECK(removed.removed_resources(0) == "default/late.default.svc.cluster.local");
  co_await client.End();
  co_await plane.End();
}

Task<void> GetCertificates(const Site& site) {
  using Kind = certs::CaClientOptions::Caller;
  Plane plane(site);
  co_await plane.Start();
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
  co_await plane.End();
}

Task<void> RefuseStrangers(const Site& site) {
  Plane plane(site);
  co_await plane.Start();
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
  co_await plane.End();
}

Task<void> ServeAWaypoint(const Site& site) {
  Plane plane(site);
  co_await plane.Start();
  Client client(site, plane, site.TokenOf("workload/default/way-sa"));
  co_await client.OpenStream();
  co_await client.Send(Asking(ResourceType::kGateway, "way"));
  const Response own = co_await client.Take();
  CHECK(Sent(own) == Names{"default/way"});
  mesh::v1::Gateway gateway;
  REQUIRE(gateway.ParseFromString(own.resources(0).resource().value()));
  CHECK(gateway.service_account() == "way-sa");
  co_await client.End();
  // A gateway of another namespace is none of its business, whatever it calls itself.
  Client curious(site, plane, site.TokenOf("workload/default/way-sa"));
  co_await curious.OpenStream();
  co_await curious.Send(Asking(ResourceType::kGateway, "other"));
  const Response others = co_await curious.Take();
  CHECK(Sent(others).empty());
  co_await curious.End();
  co_await plane.End();
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
  co_await client.OpenStream();
  co_await client.Send(Asking(ResourceType::kAddress));
  const Response response = co_await client.Take();
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
  co_await client.OpenStream();
  Request request = Asking(ResourceType::kAddress);
  for (const auto& [name, version] : memory.versions)
    (*request.mutable_initial_resource_versions())[name] = version;
  co_await client.Send(request);
  const Response response = co_await client.Take();
  CHECK(Sent(response).empty());
  CHECK(response.removed_resources().empty());
  co_await client.End();
  co_await plane.End();
}

Task<void> SurviveNonsense(const Site& site) {
  Plane plane(site);
  co_await plane.Start();
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
  co_await client.OpenStream();
  co_await client.Send(Asking(ResourceType::kAddress));
  const Response response = co_await client.Take();
  CHECK(response.resources_size() == 4);
  co_await client.End();
  co_await plane.End();
}

// A client that goes without a word leaves no stream behind.
Task<void> LoseAClient(const Site& site) {
  Plane plane(site);
  co_await plane.Start();
  {
    Client client(site, plane, site.TokenOf("node/node-a"));
    co_await client.OpenStream();
    co_await client.Send(Asking(ResourceType::kAddress));
    co_await client.Take();
    co_await client.End();
  }
  for (bool open = true; open;) {
    const http::Response metrics = co_await Ask(plane, "/metrics");
    open = metrics.body.find("aquifer_xds_streams 0\n") == std::string::npos;
  }
  co_await plane.End();
}

Task<http::Response> Ask(const Plane& plane, std::string path) {
  Result<io::SocketPtr> socket = co_await io::Connect(plane.admin(), StopToken());
  REQUIRE(socket.ok());
  const std::string head = "GET " + path + " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
  Chunk chunk = Chunk::CopyOf(std::string_view(head));
  const Status sent = co_await (*socket)->Write(std::move(chunk), StopToken());
  REQUIRE(sent.ok());
  std::string text;
  while (true) {
    Result<Chunk> got = co_await (*socket)->Read(StopToken());
    REQUIRE(got.ok());
    if (got->empty()) break;
    text += got->text();
  }
  http::Response response;
  response.status = std::stoi(text.substr(9, 3));
  response.body = text.substr(text.find("\r\n\r\n") + 4);
  co_return response;
}

Task<void> LookAtAdmin(const Site& site) {
  Plane plane(site);
  co_await plane.Start();
  const http::Response ready = co_await Ask(plane, "/healthz/ready");
  CHECK(ready.status == 200);
  const http::Response status = co_await Ask(plane, "/status");
  const auto page = nlohmann::json::parse(status.body);
  REQUIRE(page["problems"].size() == 1);
  CHECK(page["problems"][0] == "bad.yaml, document 1 (line 1), Pod: metadata.name: is required");
  const http::Response metrics = co_await Ask(plane, "/metrics");
  CHECK(metrics.body.find("aquifer_control_problems 1\n") != std::string::npos);
  co_await plane.End();
}

Task<void> RunTwice(const Site& site, std::string& refusal) {
  Plane first(site);
  co_await first.Start();
  obs::LoggerOptions options;
  options.writer.fd = -1;
  obs::Logger log(std::move(options));
  obs::Registry registry;
  ControlConfig config;
  config.manifests = site.manifests.path();
  config.state = site.state.path();
  config.listen = config.admin = {Ip::Loopback4(), 0};
  ControlPlane second(config, log, registry);
  const Result<void, Refusal> outcome = co_await second.Run(StopToken());
  refusal = outcome.ok() ? "" : outcome.error().ToString();
  co_await first.End();
}

Task<void> RunWithoutManifests(const Site& site, std::string& refusal) {
  obs::LoggerOptions options;
  options.writer.fd = -1;
  obs::Logger log(std::move(options));
  obs::Registry registry;
  ControlConfig config;
  config.manifests = site.manifests.Of("missing");
  config.state = site.state.path();
  config.listen = config.admin = {Ip::Loopback4(), 0};
  ControlPlane plane(config, log, registry);
  const Result<void, Refusal> outcome = co_await plane.Run(StopToken());
  refusal = outcome.ok() ? "" : outcome.error().ToString();
}

void WriteMesh(const Site& site) { site.manifests.Write("mesh.yaml", kMesh); }

}  // namespace

TEST_CASE("a node that shows its token sees the mesh, and no gateway's configuration") {
  const Site site;
  WriteMesh(site);
  test::Run(SeeTheMesh(site));
}

TEST_CASE("a change of the manifests reaches an open stream") {
  const Site site;
  WriteMesh(site);
  test::Run(FollowAChange(site));
}

TEST_CASE("a node gets certificates for the pods that run there, a workload its own") {
  const Site site;
  WriteMesh(site);
  test::Run(GetCertificates(site));
}

TEST_CASE("who has no token of this mesh gets nothing") {
  const Site site;
  WriteMesh(site);
  test::Run(RefuseStrangers(site));
}

TEST_CASE("a waypoint gets the configuration of its own Gateway") {
  const Site site;
  WriteMesh(site);
  test::Run(ServeAWaypoint(site));
}

TEST_CASE("a restart keeps root, tokens and versions, so that nothing is sent twice") {
  const Site site;
  WriteMesh(site);
  Memory memory;
  test::Run(Remember(site, memory));
  REQUIRE(memory.versions.size() == 4);
  test::Run(ComeBack(site, memory));
}

TEST_CASE("nonsense on the port hurts only who sent it") {
  const Site site;
  WriteMesh(site);
  test::Run(SurviveNonsense(site));
}

TEST_CASE("a client that goes leaves no stream behind") {
  const Site site;
  WriteMesh(site);
  test::Run(LoseAClient(site));
}

TEST_CASE("the admin port tells readiness, problems and metrics") {
  const Site site;
  WriteMesh(site);
  site.manifests.Write("bad.yaml", "{apiVersion: v1, kind: Pod}");
  test::Run(LookAtAdmin(site));
}

TEST_CASE("two control planes never share a state directory") {
  const Site site;
  WriteMesh(site);
  std::string refusal;
  test::Run(RunTwice(site, refusal));
  CHECK(refusal == site.state.Of("lock") + ": is held by another aquifer-control");
}

TEST_CASE("a directory that is not there ends the start with a sentence") {
  const Site site;
  std::string refusal;
  test::Run(RunWithoutManifests(site, refusal));
  CHECK(
      refusal.starts_with("--manifests: " + site.manifests.Of("missing") + " cannot be followed"));
}

}  // namespace aquifer::control
