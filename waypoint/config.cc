#include "waypoint/config.h"

namespace aquifer::waypoint {
namespace {

app::Settings<Config> Rows() {
  return {{"GATEWAY_NAME", app::Text(&Config::gateway_name)},
          {"AQUIFER_HBONE_PORT", app::Port(&Config::hbone_port)},
          {"AQUIFER_STATS_ADDRESS", app::Into(&Config::stats_address, &app::ReadIp)},
          {"AQUIFER_ACCESS_LOG", app::Into(&Config::access_log, &app::ReadBool)},
          {"WORKER_THREADS", app::Into(&Config::workers, &app::ReadThreads)},
          {"LOG_LEVEL", app::Into(&Config::log_levels, &app::ReadLogLevels)}};
}

Result<void, Refusal> Require(const std::string& value, const char* name) {
  if (value.empty()) return Refusal{name, "is not set"};
  return {};
}

}  // namespace

Decoded<proxy::Loaded<Config>> LoadConfig(const app::Environment& environment) {
  AQ_TRY(proxy::Loaded<Config> loaded, proxy::LoadSettings(Rows(), environment, Config()));
  Config& config = loaded.config;
  AQ_TRY_STATUS(Require(config.gateway_name, "GATEWAY_NAME"));
  AQ_TRY_STATUS(Require(config.pod_namespace, "POD_NAMESPACE"));
  AQ_TRY_STATUS(Require(config.service_account, "SERVICE_ACCOUNT"));
  AQ_TRY_STATUS(Require(config.instance_ip, "INSTANCE_IP"));
  AQ_TRY_STATUS(Require(config.xds_address, "XDS_ADDRESS"));
  if (config.ca_address.empty()) config.ca_address = config.xds_address;
  if (config.pod_name.empty()) config.pod_name = config.gateway_name;
  return loaded;
}

}  // namespace aquifer::waypoint
