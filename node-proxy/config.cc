#include "node-proxy/config.h"

#include <algorithm>
#include <thread>

namespace aquifer::node {
namespace {

using Applied = Result<void, Refusal>;

Applied ApplyMode(Config& config, const std::string& value) {
  if (value != "shared" && value != "dedicated")
    return Refusal{"", "is neither shared nor dedicated"};
  config.mode = value == "shared" ? ProxyMode::kShared : ProxyMode::kDedicated;
  return {};
}

Applied ApplyWorkload(Config& config, const std::string& value) {
  const std::size_t first = value.find('/');
  const std::size_t second = first == std::string::npos ? first : value.find('/', first + 1);
  if (second == std::string::npos || value.find('/', second + 1) != std::string::npos)
    return Refusal{"", "is not namespace/name/serviceaccount"};
  config.workload = WorkloadName{.name = value.substr(first + 1, second - first - 1),
                                 .ns = value.substr(0, first),
                                 .service_account = value.substr(second + 1)};
  return {};
}

Applied ApplyKeepSource(Config& config, const std::string& value) {
  AQ_TRY(const bool keep, app::ReadBool(value));
  config.keep_source = keep ? KeepSource::kRequired : KeepSource::kOff;
  return {};
}

Applied ApplyCompliance(Config& config, const std::string& value) {
  if (!value.empty() && value != "pqc") return Refusal{"", "only pqc is supported"};
  config.post_quantum_only = value == "pqc";
  return {};
}

// In the order in which they are applied: where two set the same, the later one wins.
app::Settings<Config> Rows() {
  constexpr std::uint32_t kLeastWindow = 65'535;  // RFC 9113 6.9.2
  constexpr std::uint32_t kMostWindow = 0x7fffffff;
  return {
      {"PROXY_MODE", ApplyMode},
      {"PROXY_WORKLOAD_INFO", ApplyWorkload},
      {"ENABLE_PROXY", app::Only("true")},
      {"ISTIO_META_CLUSTER_ID", app::Text(&Config::cluster_id)},
      {"ISTIO_META_ISTIO_VERSION", app::Text(&Config::istio_version)},
      {"LOCAL_XDS_PATH", app::Text(&Config::local_config_path)},
      {"LOCAL_XDS", app::Text(&Config::local_config)},
      {"AQUIFER_LOCAL_CA_DIR", app::Text(&Config::local_ca_directory)},
      {"XDS_ON_DEMAND", app::Only("false")},
      {"FAKE_CA", app::Only("false")},
      {"INPOD_UDS", app::Text(&Config::zds_path)},
      {"INPOD_PORT_REUSE", app::Into(&Config::reuse_port, &app::ReadBool)},
      {"INPOD_ENABLED", nullptr},
      {"PACKET_MARK", app::Number<std::uint32_t>(&Config::packet_mark, 1, 0xffffffff)},
      {"ENABLE_ORIG_SRC", ApplyKeepSource},
      {"ZTUNNEL_WORKER_THREADS", app::Into(&Config::workers, &app::ReadThreads)},
      {"POOL_MAX_STREAMS_PER_CONNECTION",
       app::Number<std::size_t>(&Config::pool_max_streams, 1, 10'000)},
      {"POOL_UNUSED_RELEASE_TIMEOUT", app::Into(&Config::pool_idle, &app::ReadDuration)},
      {"CONNECTION_TERMINATION_DEADLINE", app::Into(&Config::drain_deadline, &app::ReadDuration)},
      {"HTTP2_STREAM_WINDOW_SIZE",
       app::Number<std::uint32_t>(&Config::stream_window_bytes, kLeastWindow, kMostWindow)},
      {"HTTP2_CONNECTION_WINDOW_SIZE",
       app::Number<std::uint32_t>(&Config::connection_window_bytes, kLeastWindow, kMostWindow)},
      {"HTTP2_FRAME_SIZE", app::Number<std::uint32_t>(&Config::frame_bytes, 16'384, 0xffffff)},
      {"AQUIFER_BUFFER_BYTES",
       app::Number<std::size_t>(&Config::buffer_bytes, std::size_t{16} * 1024 * 1024,
                                std::size_t{1} << 40)},
      {"ENABLE_RESPONSE_BAGGAGE", app::Into(&Config::response_baggage, &app::ReadBool)},
      {"COMPLIANCE_POLICY", ApplyCompliance},
      {"TLS12_ENABLED", app::Only("false")},
      {"UNSTABLE_ENABLE_SOCKS5", app::Only("false")},
      {"KEEPALIVE_ENABLED", app::Only("true")},
      {"USER_TIMEOUT_ENABLED", app::Only("false")},
      {"AUTHZ_POLICY_INFO_LOGGING", nullptr},
      {"CRL_PATH", nullptr},
      {"LOCALHOST_APP_TUNNEL", nullptr},
      {"PREFERED_SERVICE_NAMESPACE", nullptr},
      {"PROXY_CONFIG", nullptr},
      {"ZTUNNEL_CPU_LIMIT", nullptr},
      {"ZTUNNEL_RESOURCE_CPU_LIMIT", nullptr},
      {"ZTUNNEL_RESOURCE_CPU_REQUEST", nullptr},
  };
}

Applied CheckWhole(const Config& config) {
  if (config.mode == ProxyMode::kDedicated && !config.workload)
    return Refusal{"PROXY_WORKLOAD_INFO", "is needed with PROXY_MODE=dedicated"};
  if (!config.local_config.empty() && !config.local_config_path.empty())
    return Refusal{"LOCAL_XDS", "excludes LOCAL_XDS_PATH"};
  if (config.xds_address.empty() && config.local_config.empty() &&
      config.local_config_path.empty()) {
    return Refusal{"XDS_ADDRESS",
                   "or LOCAL_XDS_PATH is needed: there is no other source of the mesh"};
  }
  if (config.ca_address.empty() && config.local_ca_directory.empty())
    return Refusal{"CA_ADDRESS", "must not be empty"};
  return {};
}

Config Defaults(const app::Environment& environment) {
  Config config;
  const char* const control_plane = environment.contains("KUBERNETES_SERVICE_HOST")
                                        ? "istiod.istio-system.svc:15012"
                                        : "localhost:15012";
  config.xds_address = control_plane;
  config.ca_address = control_plane;
  config.instance_ip = "1.1.1.1";  // what ztunnel calls itself without one
  // At most a quarter of the machine, but two: a proxy is a guest on its node.
  config.workers = std::max(2U, (std::thread::hardware_concurrency() + 3) / 4);
  return config;
}

}  // namespace

Decoded<proxy::Loaded<Config>> LoadConfig(const app::Environment& environment) {
  constexpr std::uint32_t kDefaultMark = 1337;
  AQ_TRY(proxy::Loaded<Config> loaded,
         proxy::LoadSettings(Rows(), environment, Defaults(environment)));
  Config& config = loaded.config;
  if (config.mode == ProxyMode::kShared && config.packet_mark == 0)
    config.packet_mark = kDefaultMark;
  config.node_metadata = app::WithPrefix(environment, "ISTIO_META_");
  AQ_TRY_STATUS(CheckWhole(config));
  return loaded;
}

}  // namespace aquifer::node
