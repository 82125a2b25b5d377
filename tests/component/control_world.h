// A control plane in this process and its clients, over TLS on loopback, for component tests: what
// it keeps on disk, the plane itself, callers with a token each.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "certs/ca_client.h"
#include "certs/channel.h"
#include "certs/wall_clock.h"
#include "control/control_plane.h"
#include "core/http/grpc_client.h"
#include "core/rt/timer.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::control {

using Request = XdsSession::Request;
using Response = XdsSession::Response;
using Names = std::vector<std::string>;

inline const char* const kMesh = R"(
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
  Site() { manifests.Write("mesh.yaml", kMesh); }
  TestDirectory manifests;
  TestDirectory state;
  std::string TokenOf(const std::string& caller) const { return state.Of("tokens/" + caller); }
};

class Plane {
 public:
  explicit Plane(const Site& site) : Plane(ConfigOf(site)) {}
  explicit Plane(ControlConfig config)
      : config_(std::move(config)), log_(test::QuietLog()), plane_(config_, log_, registry_) {}

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
  // For a control plane that is not to start: why.
  Task<std::string> Refused() {
    outcome_ = co_await plane_.Run(stop_.token());
    co_return outcome_.ok() ? "" : outcome_.error().ToString();
  }
  Address discovery() const { return plane_.discovery_address(); }
  Address admin() const { return plane_.admin_address(); }

  static ControlConfig ConfigOf(const Site& site) {
    ControlConfig config;
    config.manifests = site.manifests.path();
    config.state = site.state.path();
    config.listen = {Ip::Loopback4(), 0};
    config.admin = {Ip::Loopback4(), 0};
    return config;
  }

 private:
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
  // `token` is a path or the token itself.
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
  // The first response of a new stream.
  Task<Response> Subscribe(Request request) {
    co_await OpenStream();
    co_await Send(request);
    co_return co_await Take();
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

inline Request Asking(ResourceType type, const std::string& gateway = "") {
  Request request;
  request.set_type_url(std::string(TypeUrl(type)));
  request.mutable_node()->set_id("test");
  if (!gateway.empty())
    (*request.mutable_node()->mutable_metadata()->mutable_fields())["GATEWAY_NAME"]
        .set_string_value(gateway);
  return request;
}

inline Names Sent(const Response& response) {
  Names names;
  for (const auto& resource : response.resources()) names.push_back(resource.name());
  return names;
}

inline Task<std::string> CertificateFor(Client& client, certs::CaClientOptions::Caller caller,
                                        std::string account) {
  certs::CaClient ca(client.channel(), {.caller = caller});
  certs::Identity identity{"cluster.local", "default", std::move(account)};
  const Result<certs::CertificateBundle, certs::Failure> bundle =
      co_await ca.Fetch(identity, client.stop());
  co_return bundle.ok() ? bundle->identity()->ToString() : "refused: " + bundle.error().detail;
}

inline Task<http::Response> Ask(const Plane& plane, std::string path) {
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

// What happens on a control plane that has started and is ended afterwards.
using Story = Task<void> (*)(const Site& site, const Plane& plane);

inline Task<void> TellOn(const Site& site, Story story) {
  Plane plane(site);
  co_await plane.Start();
  co_await story(site, plane);
  co_await plane.End();
}

inline void Tell(const Site& site, Story story) { test::Run(TellOn(site, story)); }
inline void Tell(Story story) {
  const Site site;
  Tell(site, story);
}

}  // namespace aquifer::control
