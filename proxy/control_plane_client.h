// A proxy as a client of its control plane: certificates from the CA, the mesh by delta xDS, what
// is counted and logged about both. Each proxy has one, on its control loop; it goes on serving
// what is known while the control plane is away.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "certs/ca_client.h"
#include "certs/channel.h"
#include "certs/store.h"
#include "core/obs/log.h"
#include "core/obs/mesh_metrics.h"
#include "mesh/xds_client.h"
#include "proxy/settings.h"

namespace aquifer::proxy {

using Metadata = std::map<std::string, std::string>;

// Who we are to the control plane. `kind` is "ztunnel" or "waypoint", as istiod takes it; `extra`
// is what only this kind says of itself; `json` the same, with values that JsonValue takes.
envoy::config::core::v3::Node NodeOf(const CommonSettings& settings, std::string_view kind,
                                     const Metadata& extra, const Metadata& json = {});
// Empty when it is no JSON.
std::optional<google::protobuf::Value> JsonValue(const std::string& text);

class ControlPlaneClient final : private mesh::XdsObserver {
 public:
  // All references outlive the client.
  ControlPlaneClient(const CommonSettings& settings, obs::Logger& log, obs::Registry& registry);
  ~ControlPlaneClient() override;

  // Certificates come from the CA of the settings, or from `authority` in its place.
  void MakeStore(certs::CaClientOptions::Caller caller, certs::StoreOptions options = {});
  void MakeStore(std::unique_ptr<certs::Authority> authority, certs::StoreOptions options = {});
  certs::CertStore& store() { return *store_; }
  const certs::CertStore& store() const { return *store_; }
  // Runs the store, once it is made, until `stop`.
  void ServeCertificates(Scope& tasks, StopToken stop);

  // Feeds `sink` with resources of `types` until `stop`. `on_synced` hears once that the first
  // response of every type was taken. Of the type `on_demand`, if there is one, only what Know asks
  // for.
  void Follow(std::vector<std::string> types, envoy::config::core::v3::Node node,
              mesh::XdsSink& sink, std::function<void()> on_synced, Scope& tasks, StopToken stop,
              std::string_view on_demand = {});
  // As XdsClient has it; after Follow.
  Task<Status> Know(std::string name, StopToken stop) {
    return xds_client_->Know(std::move(name), stop);
  }

  // Ends the connections, after what was spawned has ended.
  Task<void> Shutdown();

 private:
  Task<void> RunStore(StopToken stop);
  void CountCertificates();
  void OnFetchFailure(const certs::FetchFailure& failed);

  void OnConnected() override;
  void OnDisconnected(std::string_view reason, const std::string& detail) override;
  void OnResponse(std::string_view type_url, std::size_t resources, std::size_t removed,
                  std::size_t bytes) override;
  void OnRefused(std::string_view type_url, const Refusal& refusal) override;
  void OnSynced() override;

  const CommonSettings& settings_;
  obs::Logger& log_;
  obs::Registry& registry_;
  obs::XdsMetrics metrics_;
  obs::CounterFamily& refused_;
  obs::CounterFamily& fetch_failures_;
  obs::RateLimiter limiter_{5};
  obs::RateLimiter alarms_{5};

  std::unique_ptr<certs::Channel> ca_channel_;
  std::unique_ptr<certs::Authority> authority_;
  std::unique_ptr<certs::CertStore> store_;
  std::vector<obs::Registry::Callback> counts_;  // of store_
  std::unique_ptr<certs::Channel> xds_channel_;
  std::unique_ptr<mesh::XdsState> xds_state_;
  std::unique_ptr<mesh::XdsClient> xds_client_;
  std::function<void()> on_synced_;
};

}  // namespace aquifer::proxy
