#include "proxy/control_plane_client.h"

#include <google/protobuf/util/json_util.h>

#include <tuple>

namespace aquifer::proxy {
namespace {

certs::ChannelOptions ToCa(const CommonSettings& settings) {
  certs::ChannelOptions options;
  options.address = settings.ca_address;
  options.host_name = settings.ca_host_name;
  options.roots = settings.ca_root_ca;
  options.token = settings.auth_token;
  options.headers = settings.ca_headers;
  options.cluster_id = settings.cluster_id;
  return options;
}

certs::ChannelOptions ToDiscovery(const CommonSettings& settings) {
  certs::ChannelOptions options = ToCa(settings);
  options.address = settings.xds_address;
  options.host_name = settings.xds_host_name;
  options.roots = settings.xds_root_ca;
  options.headers = settings.xds_headers;
  // Its stream is silent for as long as nothing changes: looked after, and missed soon.
  options.h2.ping_interval = std::chrono::seconds(30);
  options.h2.ping_timeout = std::chrono::seconds(10);
  return options;
}

}  // namespace

std::optional<google::protobuf::Value> JsonValue(const std::string& text) {
  google::protobuf::Value value;
  if (!google::protobuf::util::JsonStringToMessage(text, &value).ok() ||
      value.kind_case() == google::protobuf::Value::KIND_NOT_SET)
    return std::nullopt;
  return value;
}

envoy::config::core::v3::Node NodeOf(const CommonSettings& settings, std::string_view kind,
                                     const Metadata& extra, const Metadata& json) {
  envoy::config::core::v3::Node node;
  node.set_id(std::string(kind) + "~" + settings.instance_ip + "~" + settings.pod_name + "." +
              settings.pod_namespace + "~" + settings.pod_namespace + ".svc." +
              settings.cluster_domain);
  auto& fields = *node.mutable_metadata()->mutable_fields();
  for (const auto& [name, value] : extra) fields[name].set_string_value(value);
  for (const auto& [name, text] : json) {
    if (std::optional<google::protobuf::Value> value = JsonValue(text))
      fields[name] = *std::move(value);
  }
  fields["NAME"].set_string_value(settings.pod_name);
  fields["NAMESPACE"].set_string_value(settings.pod_namespace);
  fields["INSTANCE_IPS"].set_string_value(settings.instance_ip);
  if (!settings.node_name.empty()) fields["NODE_NAME"].set_string_value(settings.node_name);
  return node;
}

ControlPlaneClient::ControlPlaneClient(const CommonSettings& settings, obs::Logger& log,
                                       obs::Registry& registry)
    : settings_(settings),
      log_(log),
      registry_(registry),
      metrics_(registry),
      refused_(registry.AddCounter({.name = "aquifer_xds_refused",
                                    .help = "Resources of the control plane that were refused",
                                    .unit = {}})),
      fetch_failures_(registry.AddCounter({.name = "aquifer_certificate_fetch_failures",
                                           .help = "Requests for a certificate that failed"})) {}

ControlPlaneClient::~ControlPlaneClient() = default;

void ControlPlaneClient::MakeStore(certs::CaClientOptions::Caller caller,
                                   certs::StoreOptions options) {
  ca_channel_ = std::make_unique<certs::Channel>(ToCa(settings_), &certs::SystemWallTime);
  certs::CaClientOptions ca;
  ca.ttl = std::chrono::duration_cast<std::chrono::seconds>(settings_.certificate_lifetime);
  ca.caller = caller;
  MakeStore(std::make_unique<certs::CaClient>(*ca_channel_, ca), std::move(options));
}

void ControlPlaneClient::MakeStore(std::unique_ptr<certs::Authority> authority,
                                   certs::StoreOptions options) {
  authority_ = std::move(authority);
  options.on_failure = [this](const certs::FetchFailure& failed) { OnFetchFailure(failed); };
  store_ = std::make_unique<certs::CertStore>(*authority_, &certs::SystemWallTime, options);
  CountCertificates();
}

void ControlPlaneClient::OnFetchFailure(const certs::FetchFailure& failed) {
  fetch_failures_.With({{"reason", ReasonWord(failed.failure.error.reason)}})->Add();
  // An alarm is not to drown in the warnings of identities that never had a certificate.
  log_.Limited(failed.urgent ? alarms_ : limiter_,
               failed.urgent ? obs::Level::kError : obs::Level::kWarn, "ca",
               failed.urgent ? "certificate is about to expire or has, and could not be fetched"
                             : "certificate could not be fetched",
               {{"identity", failed.identity.ToString()},
                {"error", failed.failure.detail},
                {"older_one_kept", failed.kept}});
}

// The store keeps them by itself; whoever scrapes asks it, on the control loop that both live on.
void ControlPlaneClient::CountCertificates() {
  struct Row {
    const char* name;
    const char* help;
    std::int64_t (*read)(const certs::CertCounts&);
  };
  static constexpr Row kRows[] = {
      {"aquifer_certificates_initializing", "Identities whose first certificate is being fetched",
       [](const certs::CertCounts& now) { return static_cast<std::int64_t>(now.initializing); }},
      {"aquifer_certificates_available", "Identities with a certificate that is in date",
       [](const certs::CertCounts& now) { return static_cast<std::int64_t>(now.available); }},
      {"aquifer_certificates_unavailable", "Identities without a certificate that could be used",
       [](const certs::CertCounts& now) { return static_cast<std::int64_t>(now.unavailable); }},
      {"aquifer_certificates_soonest_expiry_timestamp_seconds",
       "When the first of the certificates expires or has expired, 0 without one",
       [](const certs::CertCounts& now) {
         return now.soonest_expiry ? std::int64_t{now.soonest_expiry->time_since_epoch().count()}
                                   : 0;
       }},
  };
  for (const Row& row : kRows) {
    counts_.push_back(registry_.AddCallback(
        obs::MetricType::kGauge, {.name = row.name, .help = row.help},
        [store = store_.get(), read = row.read] { return read(store->Count()); }));
  }
}

void ControlPlaneClient::ServeCertificates(Scope& tasks, StopToken stop) {
  tasks.Spawn(RunStore(stop));
}

Task<void> ControlPlaneClient::RunStore(StopToken stop) {
  std::ignore = co_await store_->Run(stop);
}

void ControlPlaneClient::Follow(std::vector<std::string> types, envoy::config::core::v3::Node node,
                                mesh::XdsSink& sink, std::function<void()> on_synced, Scope& tasks,
                                StopToken stop, std::string_view on_demand) {
  on_synced_ = std::move(on_synced);
  xds_channel_ = std::make_unique<certs::Channel>(ToDiscovery(settings_), &certs::SystemWallTime);
  xds_state_ =
      std::make_unique<mesh::XdsState>(std::move(types), std::move(node), std::string(on_demand));
  mesh::XdsObserver& observer = *this;
  xds_client_ = std::make_unique<mesh::XdsClient>(*xds_channel_, *xds_state_, sink, observer);
  tasks.Spawn(xds_client_->Run(stop));
}

Task<void> ControlPlaneClient::Shutdown() {
  if (xds_channel_ != nullptr) co_await xds_channel_->Shutdown();
  if (ca_channel_ != nullptr) co_await ca_channel_->Shutdown();
}

void ControlPlaneClient::OnConnected() {
  log_.Info("xds", "stream established", {{"address", settings_.xds_address}});
}

void ControlPlaneClient::OnDisconnected(std::string_view reason, const std::string& detail) {
  metrics_.CountTermination(reason);
  log_.Limited(limiter_, obs::Level::kWarn, "xds", "stream ended",
               {{"reason", reason}, {"error", detail}});
}

void ControlPlaneClient::OnResponse(std::string_view type_url, std::size_t resources,
                                    std::size_t removed, std::size_t bytes) {
  metrics_.CountMessage(type_url, bytes);
  log_.Debug("xds", "received response",
             {{"type_url", type_url}, {"size", resources}, {"removes", removed}});
}

void ControlPlaneClient::OnRefused(std::string_view type_url, const Refusal& refusal) {
  refused_.With({{"url", type_url}})->Add();
  log_.Limited(limiter_, obs::Level::kWarn, "xds", "resource refused",
               {{"type_url", type_url}, {"error", refusal.ToString()}});
}

void ControlPlaneClient::OnSynced() { on_synced_(); }

}  // namespace aquifer::proxy
