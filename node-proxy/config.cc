#include "node-proxy/config.h"

#include <algorithm>
#include <thread>

#include "proxy/control_plane_client.h"

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

Applied ApplyDnsAddress(Config& config, const std::string& value) {
  constexpr std::string_view kLocal = "localhost:";
  if (value.starts_with(kLocal)) {
    const std::optional<std::uint16_t> port = ParsePort(value.substr(kLocal.size()));
    if (!port) return Refusal{"", "has no port from 1 to 65535"};
    config.dns_addresses = {{Ip::Loopback4(), *port}, {Ip::Loopback6(), *port}};
    return {};
  }
  const std::optional<Address> address = Address::Parse(value);
  if (!address) return Refusal{"", "is neither localhost:port nor address:port"};
  config.dns_addresses = {*address};
  return {};
}

Applied ApplyCompliance(Config& config, const std::string& value) {
  if (!value.empty() && value != "pqc") return Refusal{"", "only pqc is supported"};
  config.post_quantum_only = value == "pqc";
  return {};
}

// The kernel takes whole seconds, and no more of them than this.
Decoded<std::chrono::seconds> ReadProbeTime(const std::string& text) {
  constexpr std::chrono::milliseconds kMost = std::chrono::seconds(32'767);
  AQ_TRY(const std::chrono::milliseconds time, app::ReadDuration(text));
  if (time > kMost || time % std::chrono::seconds(1) != std::chrono::milliseconds(0))
    return Refusal{"", "is not from 1s to 32767s in whole seconds"};
  return std::chrono::duration_cast<std::chrono::seconds>(time);
}

Decoded<int> ReadProbes(const std::string& text) { return app::ReadNumber<int>(text, 1, 127); }

Decoded<Clock::duration> ReadLimit(const std::string& text) {
  if (text == "off") return Clock::duration::zero();
  AQ_TRY(const std::chrono::milliseconds limit, app::ReadDuration(text));
  return Clock::duration(limit);
}

// As app::Into, for a member of a member.
template <class Group, class T, class Read>
auto IntoGroup(Group Config::* group, T Group::* member, Read read) {
  return [group, member, read](Config& config, const std::string& text) -> Applied {
    AQ_TRY(config.*group.*member, read(text));
    return {};
  };
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
      {"ISTIO_META_DNS_CAPTURE", app::Into(&Config::dns, &app::ReadBool)},
      {"ISTIO_META_DNS_PROXY_ADDR", ApplyDnsAddress},
      {"PREFERED_SERVICE_NAMESPACE", app::Text(&Config::preferred_namespace)},
      {"LOCAL_XDS_PATH", app::Text(&Config::local_config_path)},
      {"LOCAL_XDS", app::Text(&Config::local_config)},
      {"AQUIFER_LOCAL_CA_DIR", app::Text(&Config::local_ca_directory)},
      {"XDS_ON_DEMAND", app::Into(&Config::on_demand, &app::ReadBool)},
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
      {"UNSTABLE_ENABLE_SOCKS5", app::Into(&Config::socks5, &app::ReadBool)},
      {"KEEPALIVE_ENABLED", IntoGroup(&Config::keepalive, &io::KeepAlive::enabled, &app::ReadBool)},
      {"KEEPALIVE_TIME", IntoGroup(&Config::keepalive, &io::KeepAlive::time, &ReadProbeTime)},
      {"KEEPALIVE_INTERVAL",
       IntoGroup(&Config::keepalive, &io::KeepAlive::interval, &ReadProbeTime)},
      {"KEEPALIVE_RETRIES", IntoGroup(&Config::keepalive, &io::KeepAlive::probes, &ReadProbes)},
      {"USER_TIMEOUT_ENABLED",
       IntoGroup(&Config::keepalive, &io::KeepAlive::user_timeout, &app::ReadBool)},
      {"AQUIFER_IDLE_TIMEOUT", IntoGroup(&Config::copy_limits, &io::CopyLimits::idle, &ReadLimit)},
      {"AQUIFER_HALF_CLOSED_TIMEOUT",
       IntoGroup(&Config::copy_limits, &io::CopyLimits::half_closed, &ReadLimit)},
      {"AUTHZ_POLICY_INFO_LOGGING", app::Into(&Config::policy_info_logging, &app::ReadBool)},
      {"LOCALHOST_APP_TUNNEL", app::Into(&Config::localhost_app_tunnel, &app::ReadBool)},
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
  // Names are looked up by all that is known, which on demand is what was asked for by address.
  if (config.on_demand && config.dns)
    return Refusal{"XDS_ON_DEMAND", "needs ISTIO_META_DNS_CAPTURE=false"};
  for (const auto& [name, text] : config.node_metadata_json) {
    if (!proxy::JsonValue(text))
      return app::RefuseSetting("ISTIO_METAJSON_" + name, text, Refusal{"", "is not JSON"});
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
  config.node_metadata_json = app::WithPrefix(environment, "ISTIO_METAJSON_");
  AQ_TRY_STATUS(CheckWhole(config));
  return loaded;
}

}  // namespace aquifer::node
