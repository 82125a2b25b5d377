#include "node-proxy/config.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <thread>

#include "certs/identity.h"
#include "node-proxy/duration.h"

extern char** environ;  // NOLINT: the C library's name

namespace aquifer::node {
namespace {

using Apply = std::function<std::optional<std::string>(
    Config&, const std::string&)>;  // what is wrong, if anything

struct Setting {
  const char* name;
  Apply apply;
};

constexpr const char* kNotBool = "is neither true nor false";
constexpr const char* kNotNumber = "is not a number in range";
constexpr const char* kNotDuration = "is not a duration such as 5m or 100ms";

template <class T>
Apply Text(T Config::* member) {
  return [member](Config& config, const std::string& value) -> std::optional<std::string> {
    config.*member = value;
    return std::nullopt;
  };
}

Apply Bool(bool Config::* member) {
  return [member](Config& config, const std::string& value) -> std::optional<std::string> {
    if (value != "true" && value != "false") return kNotBool;
    config.*member = value == "true";
    return std::nullopt;
  };
}

template <class T>
std::optional<T> Number(std::string_view text, T least, T most) {
  T number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size() || number < least || number > most)
    return std::nullopt;
  return number;
}

template <class T>
Apply Bounded(T Config::* member, T least, T most) {
  return [=](Config& config, const std::string& value) -> std::optional<std::string> {
    const std::optional<T> number = Number<T>(value, least, most);
    if (!number) return kNotNumber;
    config.*member = *number;
    return std::nullopt;
  };
}

Apply Duration(std::chrono::milliseconds Config::* member) {
  return [member](Config& config, const std::string& value) -> std::optional<std::string> {
    const std::optional<std::chrono::milliseconds> duration = ParseDuration(value);
    if (!duration || duration->count() == 0) return kNotDuration;
    config.*member = *duration;
    return std::nullopt;
  };
}

// A setting of Istio's node proxy that only has its default here; another value is an error rather
// than a silent difference.
Apply Only(const char* accepted) {
  return [accepted](Config&, const std::string& value) -> std::optional<std::string> {
    if (value == accepted) return std::nullopt;
    return std::string("only ") + accepted + " is supported";
  };
}

Apply ServerAddress(std::string Config::* member) {
  return [member](Config& config, const std::string& value) -> std::optional<std::string> {
    std::string_view address = value;
    for (const std::string_view scheme : {"https://", "http://"}) {
      if (!address.starts_with(scheme)) continue;
      if (scheme == "http://") return "must be https";
      address.remove_prefix(scheme.size());
    }
    if (address.empty()) {
      (config.*member).clear();
      return std::nullopt;
    }
    const std::size_t colon = address.rfind(':');
    if (colon == std::string_view::npos || !ParsePort(address.substr(colon + 1)) || colon == 0)
      return "is not host:port";
    config.*member = address;
    return std::nullopt;
  };
}

std::optional<std::string> ApplyMode(Config& config, const std::string& value) {
  if (value != "shared" && value != "dedicated") return "is neither shared nor dedicated";
  config.mode = value == "shared" ? ProxyMode::kShared : ProxyMode::kDedicated;
  return std::nullopt;
}

std::optional<std::string> ApplyWorkload(Config& config, const std::string& value) {
  const std::size_t first = value.find('/');
  const std::size_t second = first == std::string::npos ? first : value.find('/', first + 1);
  if (second == std::string::npos || value.find('/', second + 1) != std::string::npos)
    return "is not namespace/name/serviceaccount";
  config.workload = WorkloadName{.name = value.substr(first + 1, second - first - 1),
                                 .ns = value.substr(0, first),
                                 .service_account = value.substr(second + 1)};
  return std::nullopt;
}

std::optional<std::string> ApplyKeepSource(Config& config, const std::string& value) {
  if (value != "true" && value != "false") return kNotBool;
  config.keep_source = value == "true" ? KeepSource::kRequired : KeepSource::kOff;
  return std::nullopt;
}

std::optional<std::string> ApplyWorkers(Config& config, const std::string& value) {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  if (value.ends_with('%')) {
    const std::optional<unsigned> percent =
        Number<unsigned>(std::string_view(value).substr(0, value.size() - 1), 1, 100);
    if (!percent) return kNotNumber;
    config.workers = std::max(1U, cores * *percent / 100);
    return std::nullopt;
  }
  const std::optional<unsigned> number = Number<unsigned>(value, 0, 1024);
  if (!number) return "is neither a number of threads nor a percentage of cores";
  config.workers = *number == 0 ? cores : *number;
  return std::nullopt;
}

std::optional<std::string> ApplyGrace(Config& config, const std::string& value) {
  const std::optional<unsigned> grace = Number<unsigned>(value, 1, 86'400);
  if (!grace) return "is not a number of seconds";
  // Time is left for the process to end by itself before Kubernetes ends it.
  const unsigned deadline = *grace > 10 ? *grace - 5 : std::max(1U, *grace - 1);
  config.drain_deadline = std::chrono::seconds(deadline);
  return std::nullopt;
}

std::optional<std::string> ApplyCompliance(Config& config, const std::string& value) {
  if (!value.empty() && value != "pqc") return "only pqc is supported";
  config.post_quantum_only = value == "pqc";
  return std::nullopt;
}

std::optional<std::string> ApplyLogFormat(Config& config, const std::string& value) {
  config.log_format = value == "json" ? obs::LogFormat::kJson : obs::LogFormat::kText;
  return std::nullopt;
}

std::optional<std::string> ApplyTrustDomain(Config& config, const std::string& value) {
  if (!certs::IsTrustDomain(value)) return "is not a trust domain";
  config.trust_domain = value;
  return std::nullopt;
}

// In the order in which they are applied: where two set the same, the later one wins.
const std::vector<Setting>& Settings() {
  static const std::vector<Setting> settings = {
      {"PROXY_MODE", ApplyMode},
      {"PROXY_WORKLOAD_INFO", ApplyWorkload},
      {"ENABLE_PROXY", Only("true")},
      {"NETWORK", Text(&Config::network)},
      {"NODE_NAME", Text(&Config::node_name)},
      {"CLUSTER_ID", Text(&Config::cluster_id)},
      {"ISTIO_META_CLUSTER_ID", Text(&Config::cluster_id)},
      {"CLUSTER_DOMAIN", Text(&Config::cluster_domain)},
      {"TRUST_DOMAIN", ApplyTrustDomain},
      {"POD_NAME", Text(&Config::pod_name)},
      {"POD_NAMESPACE", Text(&Config::pod_namespace)},
      {"SERVICE_ACCOUNT", Text(&Config::service_account)},
      {"INSTANCE_IP", Text(&Config::instance_ip)},
      {"ISTIO_META_ISTIO_VERSION", Text(&Config::istio_version)},
      {"XDS_ADDRESS", ServerAddress(&Config::xds_address)},
      {"CA_ADDRESS", ServerAddress(&Config::ca_address)},
      {"XDS_ROOT_CA", Text(&Config::xds_root_ca)},
      {"CA_ROOT_CA", Text(&Config::ca_root_ca)},
      {"ALT_XDS_HOSTNAME", Text(&Config::xds_host_name)},
      {"ALT_CA_HOSTNAME", Text(&Config::ca_host_name)},
      {"AUTH_TOKEN", Text(&Config::auth_token)},
      {"LOCAL_XDS_PATH", Text(&Config::local_config_path)},
      {"LOCAL_XDS", Text(&Config::local_config)},
      {"AQUIFER_LOCAL_CA_DIR", Text(&Config::local_ca_directory)},
      {"SECRET_TTL", Duration(&Config::certificate_lifetime)},
      {"XDS_ON_DEMAND", Only("false")},
      {"FAKE_CA", Only("false")},
      {"INPOD_UDS", Text(&Config::zds_path)},
      {"INPOD_PORT_REUSE", Bool(&Config::reuse_port)},
      {"INPOD_ENABLED", nullptr},
      {"PACKET_MARK", Bounded<std::uint32_t>(&Config::packet_mark, 1, 0xffffffff)},
      {"ENABLE_ORIG_SRC", ApplyKeepSource},
      {"IPV6_ENABLED", Bool(&Config::ipv6)},
      {"ZTUNNEL_WORKER_THREADS", ApplyWorkers},
      {"POOL_MAX_STREAMS_PER_CONNECTION",
       Bounded<std::size_t>(&Config::pool_max_streams, 1, 10'000)},
      {"POOL_UNUSED_RELEASE_TIMEOUT", Duration(&Config::pool_idle)},
      {"TERMINATION_GRACE_PERIOD_SECONDS", ApplyGrace},
      {"CONNECTION_TERMINATION_DEADLINE", Duration(&Config::drain_deadline)},
      {"HTTP2_STREAM_WINDOW_SIZE",
       Bounded<std::uint32_t>(&Config::stream_window_bytes, 65'535, 0x7fffffff)},
      {"HTTP2_CONNECTION_WINDOW_SIZE",
       Bounded<std::uint32_t>(&Config::connection_window_bytes, 65'535, 0x7fffffff)},
      {"HTTP2_FRAME_SIZE", Bounded<std::uint32_t>(&Config::frame_bytes, 16'384, 0xffffff)},
      {"ENABLE_RESPONSE_BAGGAGE", Bool(&Config::response_baggage)},
      {"AUTHZ_POLICY_INFO_LOGGING", Bool(&Config::policy_info_logging)},
      {"COMPLIANCE_POLICY", ApplyCompliance},
      {"TLS12_ENABLED", Only("false")},
      {"UNSTABLE_ENABLE_SOCKS5", Only("false")},
      {"KEEPALIVE_ENABLED", Only("true")},
      {"USER_TIMEOUT_ENABLED", Only("false")},
      {"LOG_FORMAT", ApplyLogFormat},
      {"RUST_LOG", Text(&Config::log_levels)},
      {"CRL_PATH", nullptr},
      {"LOCALHOST_APP_TUNNEL", nullptr},
      {"PREFERED_SERVICE_NAMESPACE", nullptr},
      {"PROXY_CONFIG", nullptr},
      {"ZTUNNEL_CPU_LIMIT", nullptr},
      {"ZTUNNEL_RESOURCE_CPU_LIMIT", nullptr},
      {"ZTUNNEL_RESOURCE_CPU_REQUEST", nullptr},
      {"AQUIFER_HANDSHAKE_TIMEOUT", Duration(&Config::handshake_timeout)},
      {"AQUIFER_ADMIN_PORT", Bounded<std::uint16_t>(&Config::admin_port, 1, 65'535)},
      {"AQUIFER_STATS_PORT", Bounded<std::uint16_t>(&Config::stats_port, 1, 65'535)},
      {"AQUIFER_READY_PORT", Bounded<std::uint16_t>(&Config::ready_port, 1, 65'535)},
  };
  return settings;
}

bool LooksLikeOurs(const std::string& name) {
  for (const std::string_view prefix : {"ZTUNNEL_", "XDS_", "CA_", "POOL_", "HTTP2_", "INPOD_",
                                        "AQUIFER_", "LOCAL_XDS", "PROXY_"}) {
    if (name.starts_with(prefix))
      return !name.starts_with("XDS_HEADER_") && !name.starts_with("CA_HEADER_");
  }
  return false;
}

void TakePrefixed(const Environment& environment, std::string_view prefix,
                  std::map<std::string, std::string>& into) {
  for (const auto& [name, value] : environment) {
    if (name.starts_with(prefix) && name.size() > prefix.size())
      into[name.substr(prefix.size())] = value;
  }
}

std::optional<Refusal> CheckWhole(const Config& config) {
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
  return std::nullopt;
}

void SetDefaults(const Environment& environment, Config& config) {
  const char* const control_plane = environment.contains("KUBERNETES_SERVICE_HOST")
                                        ? "istiod.istio-system.svc:15012"
                                        : "localhost:15012";
  config.xds_address = control_plane;
  config.ca_address = control_plane;
  // At most a quarter of the machine, but two: a proxy is a guest on its node.
  config.workers = std::max(2U, (std::thread::hardware_concurrency() + 3) / 4);
}

}  // namespace

Environment ReadEnvironment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view pair(*entry);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos)
      environment[std::string(pair.substr(0, equals))] = pair.substr(equals + 1);
  }
  return environment;
}

Decoded<ConfigOutcome> LoadConfig(const Environment& environment) {
  constexpr std::uint32_t kDefaultMark = 1337;
  ConfigOutcome outcome;
  Config& config = outcome.config;
  SetDefaults(environment, config);
  std::set<std::string> known;
  for (const Setting& setting : Settings()) {
    known.insert(setting.name);
    const auto found = environment.find(setting.name);
    if (found == environment.end()) continue;
    if (setting.apply == nullptr) {  // known to Istio's node proxy, without a meaning here
      config.ignored.push_back(setting.name);
      continue;
    }
    if (std::optional<std::string> wrong = setting.apply(config, found->second)) {
      return Refusal{setting.name, *std::move(wrong) + ": '" + found->second.substr(0, 100) + "'"};
    }
  }
  if (config.mode == ProxyMode::kShared && config.packet_mark == 0)
    config.packet_mark = kDefaultMark;
  TakePrefixed(environment, "XDS_HEADER_", config.xds_headers);
  TakePrefixed(environment, "CA_HEADER_", config.ca_headers);
  TakePrefixed(environment, "ISTIO_META_", config.node_metadata);
  for (const auto& [name, value] : environment) {
    if (LooksLikeOurs(name) && !known.contains(name)) outcome.unknown.push_back(name);
  }
  if (std::optional<Refusal> wrong = CheckWhole(config)) return *std::move(wrong);
  return outcome;
}

}  // namespace aquifer::node
