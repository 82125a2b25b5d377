// A discovery client with all that it talks to, against a control plane that follows scripts.
// Header only; one thread: its Loop's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/rt/timer.h"
#include "mesh/builder.h"
#include "mesh/xds_client.h"
#include "mesh/xds_sink.h"
#include "tests/component/mesh/scripted_plane.h"
#include "tests/support/run_task.h"
#include "tests/unit/certs/support.h"

namespace aquifer::mesh::test {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;

struct Client : XdsObserver {
  explicit Client(std::vector<ScriptedPlane::Script> scripts, XdsClientOptions options = Quick(),
                  std::string on_demand = {}, const WantedNames::Limits& limits = {})
      : plane(std::move(scripts), changed),
        channel(plane.Options(), [] { return certs::test::kNow; }),
        state({std::string(kAddressType), std::string(kAuthorizationType)}, {},
              std::move(on_demand), limits),
        client(channel, state, sink, *this, options) {
    running.Spawn(client.Run(stop.token()));
  }
  static XdsClientOptions Quick() {
    return {.first_backoff = std::chrono::milliseconds(1),
            .longest_backoff = std::chrono::milliseconds(4)};
  }

  void OnConnected() override { Note(connected); }
  void OnDisconnected(std::string_view reason, const std::string& detail) override {
    ends.push_back(std::string(reason) + ": " + detail);
    changed.Wake();
  }
  void OnResponse(std::string_view, std::size_t, std::size_t, std::size_t) override {
    Note(responses);
  }
  void OnRefused(std::string_view, const Refusal& refusal) override {
    refused.push_back(refusal.ToString());
    changed.Wake();
  }
  void OnSynced() override { Note(synced); }
  void Note(int& counter) {
    ++counter;
    changed.Wake();
  }

  // Until `holds`; a test that waits in vain fails here.
  template <class Condition>
  Task<void> Until(Condition holds) {
    TimedStop timed(StopToken(), std::chrono::seconds(20), Reason::kTimeout);
    while (!holds()) {
      const Status waited = co_await changed.Wait(timed.token());
      REQUIRE(waited.ok());
    }
  }
  Task<void> Finish() {
    stop.RequestStop();
    co_await running.Join();
    co_await channel.Shutdown();
    co_await plane.End();
  }
  bool Knows(std::string_view uid) const {
    return snapshot != nullptr && snapshot->FindWorkload(std::string(uid)) != nullptr;
  }
  const std::vector<DeltaDiscoveryRequest>& Heard(std::size_t stream) const {
    return plane.heard()[stream];
  }
  bool HasHeard(std::size_t stream, std::size_t requests) const {
    return plane.heard().size() > stream && Heard(stream).size() >= requests;
  }

  Event changed;
  ScriptedPlane plane;
  certs::Channel channel;
  Builder builder;
  SnapshotRef snapshot;
  MeshSink sink{builder, [this](SnapshotRef made) { snapshot = std::move(made); }};
  XdsState state;
  int connected = 0;
  int responses = 0;
  int synced = 0;
  std::vector<std::string> ends;
  std::vector<std::string> refused;
  StopSource stop;
  Scope running;
  XdsClient client;
};

inline DeltaDiscoveryResponse Response(std::string_view type, const std::string& nonce) {
  DeltaDiscoveryResponse response;
  response.set_type_url(std::string(type));
  response.set_nonce(nonce);
  return response;
}

inline void AddPod(DeltaDiscoveryResponse& response, const std::string& uid,
                   const std::string& version, const std::string& address = "\x0a\x01\x01\x01") {
  istio::workload::Address message;
  message.mutable_workload()->set_uid(uid);
  message.mutable_workload()->set_namespace_("default");
  message.mutable_workload()->add_addresses(address);
  auto& resource = *response.add_resources();
  resource.set_name(uid);
  resource.set_version(version);
  resource.mutable_resource()->set_type_url(std::string(kAddressType));
  resource.mutable_resource()->set_value(message.SerializeAsString());
}

inline DeltaDiscoveryResponse Pods(const std::vector<std::string>& uids, const std::string& nonce) {
  DeltaDiscoveryResponse response = Response(kAddressType, nonce);
  for (const std::string& uid : uids) AddPod(response, uid, "v1");
  return response;
}

inline bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace aquifer::mesh::test
