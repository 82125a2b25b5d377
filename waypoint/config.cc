#include "waypoint/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <thread>

#include "certs/identity.h"
#include "core/base/address.h"

extern char** environ;  // NOLINT: the C library's name

namespace aquifer::waypoint {
namespace {

// What is wrong with the value, if anything.
using Apply = std::function<std::optional<std::string>(Config&, const std::string&)>;

struct Setting {
  std::string_view name;
  Apply apply;
};

Apply Text(std::string Config::* member) {
  return [member](Config& config, const std::string& value) -> std::optional<std::string> {
    config.*member = value;
    return std::nullopt;
  };
}

Apply Bool(bool Config::* member) {
  return [member](Config& config, const std::string& value) -> std::optional<std::string> {
    if (value != "true" && value != "false") return "is neither true nor false";
    config.*member = value == "true";
    return std::nullopt;
  };
}

Apply Port(std::uint16_t Config::* member) {
  return [member](Config& config, const std::string& value) -> std::optional<std::string> {
    const std::optional<std::uint16_t> port = ParsePort(value);
    if (!port) return "is not a port";
    config.*member = *port;
    return std::nullopt;
  };
}

std::optional<unsigned> Number(std::string_view text, unsigned least, unsigned most) {
  unsigned number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = problem == std::errc() && end == text.data() + text.size();
  if (!whole || number < least || number > most) return std::nullopt;
  return number;
}

// host:port, perhaps written as an https URL.
Apply ServerAddress(std::string Config::* member) {
  return [member](Config& config, const std::string& value) -> std::optional<std::string> {
    std::string_view address = value;
    if (address.starts_with("http://")) return "must be https";
    if (address.starts_with("https://")) address.remove_prefix(8);
    const size_t colon = address.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || !ParsePort(address.substr(colon + 1))) {
      return "is not host:port";
    }
    config.*member = address;
    return std::nullopt;
  };
}

std::optional<std::string> ApplyTrustDomain(Config& config, const std::string& value) {
  if (!certs::IsTrustDomain(value)) return "is not a trust domain";
  config.trust_domain = value;
  return std::nullopt;
}

std::optional<std::string> ApplyInstanceIp(Config& config, const std::string& value) {
  if (!Ip::Parse(value)) return "is not an IP address";
  config.instance_ip = value;
  return std::nullopt;
}

std::optional<std::string> ApplyWorkers(Config& config, const std::string& value) {
  const std::optional<unsigned> number = Number(value, 0, 1024);
  if (!number) return "is not a number of threads";
  config.workers = *number == 0 ? std::max(1U, std::thread::hardware_concurrency()) : *number;
  return std::nullopt;
}

std::optional<std::string> ApplyGrace(Config& config, const std::string& value) {
  const std::optional<unsigned> grace = Number(value, 1, 86'400);
  if (!grace) return "is not a number of seconds";
  // Time is left for the process to end by itself before Kubernetes ends it.
  config.drain_deadline = std::chrono::seconds(*grace > 10 ? *grace - 5 : std::max(1U, *grace - 1));
  return std::nullopt;
}

Apply Duration(std::chrono::milliseconds Config::* member) {
  return [member](Config& config, const std::string& value) -> std::optional<std::string> {
    const bool hours = value.ends_with('h');
    const std::optional<unsigned> number =
        Number(std::string_view(value).substr(0, value.empty() ? 0 : value.size() - 1), 1, 100'000);
    if (!number || (!hours && !value.ends_with('m') && !value.ends_with('s'))) {
      return "is not a duration such as 24h, 90m or 600s";
    }
    const unsigned unit = hours ? 3600 : value.ends_with('m') ? 60 : 1;
    config.*member = std::chrono::seconds(std::uint64_t{*number} * unit);
    return std::nullopt;
  };
}

std::optional<std::string> ApplyLogFormat(Config& config, const std::string& value) {
  config.log_format = value == "json" ? obs::LogFormat::kJson : obs::LogFormat::kText;
  return std::nullopt;
}

std::vector<Setting> Settings() {
  return {{"GATEWAY_NAME", Text(&Config::gateway_name)},
          {"POD_NAME", Text(&Config::pod_name)},
          {"POD_NAMESPACE", Text(&Config::pod_namespace)},
          {"SERVICE_ACCOUNT", Text(&Config::service_account)},
          {"INSTANCE_IP", ApplyInstanceIp},
          {"TRUST_DOMAIN", ApplyTrustDomain},
          {"NETWORK", Text(&Config::network)},
          {"CLUSTER_ID", Text(&Config::cluster_id)},
          {"CLUSTER_DOMAIN", Text(&Config::cluster_domain)},
          {"NODE_NAME", Text(&Config::node_name)},
          {"XDS_ADDRESS", ServerAddress(&Config::xds_address)},
          {"CA_ADDRESS", ServerAddress(&Config::ca_address)},
          {"XDS_ROOT_CA", Text(&Config::xds_root_ca)},
          {"CA_ROOT_CA", Text(&Config::ca_root_ca)},
          {"ALT_XDS_HOSTNAME", Text(&Config::xds_host_name)},
          {"ALT_CA_HOSTNAME", Text(&Config::ca_host_name)},
          {"AUTH_TOKEN", Text(&Config::auth_token)},
          {"SECRET_TTL", Duration(&Config::certificate_lifetime)},
          {"AQUIFER_HBONE_PORT", Port(&Config::hbone_port)},
          {"AQUIFER_ADMIN_PORT", Port(&Config::admin_port)},
          {"AQUIFER_STATS_PORT", Port(&Config::stats_port)},
          {"AQUIFER_READY_PORT", Port(&Config::ready_port)},
          {"AQUIFER_STATS_ADDRESS", Text(&Config::stats_address)},
          {"AQUIFER_HANDSHAKE_TIMEOUT", Duration(&Config::handshake_timeout)},
          {"AQUIFER_ACCESS_LOG", Bool(&Config::access_log)},
          {"IPV6_ENABLED", Bool(&Config::ipv6)},
          {"WORKER_THREADS", ApplyWorkers},
          {"TERMINATION_GRACE_PERIOD_SECONDS", ApplyGrace},
          {"LOG_FORMAT", ApplyLogFormat},
          {"RUST_LOG", Text(&Config::log_levels)},
          {"LOG_LEVEL", Text(&Config::log_levels)}};
}

Result<void, Refusal> Require(const std::string& value, const char* name) {
  if (value.empty()) return Refusal{name, "is not set"};
  return {};
}

}  // namespace

Environment ReadEnvironment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

Decoded<Config> LoadConfig(const Environment& environment) {
  Config config;
  for (const Setting& setting : Settings()) {
    const auto found = environment.find(std::string(setting.name));
    if (found == environment.end()) continue;
    if (const std::optional<std::string> wrong = setting.apply(config, found->second)) {
      return Refusal{found->first, *wrong};
    }
  }
  AQ_TRY_STATUS(Require(config.gateway_name, "GATEWAY_NAME"));
  AQ_TRY_STATUS(Require(config.pod_namespace, "POD_NAMESPACE"));
  AQ_TRY_STATUS(Require(config.service_account, "SERVICE_ACCOUNT"));
  AQ_TRY_STATUS(Require(config.instance_ip, "INSTANCE_IP"));
  AQ_TRY_STATUS(Require(config.xds_address, "XDS_ADDRESS"));
  if (config.ca_address.empty()) config.ca_address = config.xds_address;
  if (config.pod_name.empty()) config.pod_name = config.gateway_name;
  return config;
}

}  // namespace aquifer::waypoint
