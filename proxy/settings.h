// What both proxies are told alike: who they are, where the control plane is, which ports are
// theirs, what they log. The environment's names are those of Istio's node proxy where it has one.
// Each program's Config derives from this and its table starts with these rows. Values, any thread
// once they are read.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "certs/identity.h"
#include "core/app/setting_values.h"
#include "core/app/settings.h"

namespace aquifer::proxy {

struct CommonSettings {
  std::string network;
  std::string node_name;
  std::string cluster_id = "Kubernetes";
  std::string cluster_domain = "cluster.local";
  std::string trust_domain = "cluster.local";
  std::string pod_name;
  std::string pod_namespace;
  std::string service_account;
  std::string instance_ip;

  std::string xds_address;  // host:port; empty: none
  std::string ca_address;
  std::string xds_root_ca = "./var/run/secrets/istio/root-cert.pem";  // a path or PEM
  std::string ca_root_ca = "./var/run/secrets/istio/root-cert.pem";
  std::string xds_host_name;  // what the server's certificate must say; empty: the address's host
  std::string ca_host_name;
  std::string auth_token = "./var/run/secrets/tokens/istio-token";  // a path or the token
  std::map<std::string, std::string> xds_headers;                   // sent with each call
  std::map<std::string, std::string> ca_headers;
  std::chrono::milliseconds certificate_lifetime = std::chrono::hours(24);

  std::uint16_t admin_port = 15000;
  std::uint16_t stats_port = 15020;
  std::uint16_t ready_port = 15021;
  unsigned workers = 2;
  std::chrono::milliseconds drain_deadline = std::chrono::seconds(5);
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);  // of an HBONE peer
  bool ipv6 = true;
  std::string crl_path;  // empty: revocation is not looked at

  obs::LogFormat log_format = obs::LogFormat::kText;
  obs::LevelFilter log_levels = obs::LevelFilter();
  std::optional<BackendKind> io_backend;  // none: what the kernel has
};

template <class Config>
app::Settings<Config> CommonRows() {
  using Common = CommonSettings;
  return {
      {"NETWORK", app::Text(&Common::network)},
      {"NODE_NAME", app::Text(&Common::node_name)},
      {"CLUSTER_ID", app::Text(&Common::cluster_id)},
      {"CLUSTER_DOMAIN", app::Text(&Common::cluster_domain)},
      {"TRUST_DOMAIN",
       app::TextThat(&Common::trust_domain, &certs::IsTrustDomain, "is not a trust domain")},
      {"POD_NAME", app::Text(&Common::pod_name)},
      {"POD_NAMESPACE", app::Text(&Common::pod_namespace)},
      {"SERVICE_ACCOUNT", app::Text(&Common::service_account)},
      {"INSTANCE_IP", app::Into(&Common::instance_ip, &app::ReadIp)},
      {"XDS_ADDRESS", app::Into(&Common::xds_address, &app::ReadServerAddress)},
      {"CA_ADDRESS", app::Into(&Common::ca_address, &app::ReadServerAddress)},
      {"XDS_ROOT_CA", app::Text(&Common::xds_root_ca)},
      {"CA_ROOT_CA", app::Text(&Common::ca_root_ca)},
      {"ALT_XDS_HOSTNAME", app::Text(&Common::xds_host_name)},
      {"ALT_CA_HOSTNAME", app::Text(&Common::ca_host_name)},
      {"AUTH_TOKEN", app::Text(&Common::auth_token)},
      {"SECRET_TTL", app::Into(&Common::certificate_lifetime, &app::ReadDuration)},
      {"AQUIFER_ADMIN_PORT", app::Port(&Common::admin_port)},
      {"AQUIFER_STATS_PORT", app::Port(&Common::stats_port)},
      {"AQUIFER_READY_PORT", app::Port(&Common::ready_port)},
      {"AQUIFER_HANDSHAKE_TIMEOUT", app::Into(&Common::handshake_timeout, &app::ReadDuration)},
      {"CRL_PATH", app::Text(&Common::crl_path)},
      {"AQUIFER_IO_BACKEND", app::Into(&Common::io_backend, &app::ReadIoBackend)},
      {"IPV6_ENABLED", app::Into(&Common::ipv6, &app::ReadBool)},
      {"TERMINATION_GRACE_PERIOD_SECONDS",
       app::Into(&Common::drain_deadline, &app::ReadGracePeriod)},
      {"LOG_FORMAT", app::Into(&Common::log_format, &app::ReadLogFormat)},
      {"RUST_LOG", app::Into(&Common::log_levels, &app::ReadLogLevels)},
  };
}

// The outcome of reading a program's whole environment.
template <class Config>
struct Loaded {
  Config config;
  app::SettingNotes notes;
};

// Applies the common rows, then `own` ones, and takes what has a free end of its name.
template <class Config>
Decoded<Loaded<Config>> LoadSettings(app::Settings<Config> own, const app::Environment& environment,
                                     Config defaults) {
  static constexpr std::string_view kFree[] = {"XDS_HEADER_", "CA_HEADER_", "ISTIO_META_",
                                               "ISTIO_METAJSON_"};
  Loaded<Config> loaded{std::move(defaults), {}};
  app::Settings<Config> rows = CommonRows<Config>();
  for (app::Setting<Config>& setting : own) rows.push_back(std::move(setting));
  AQ_TRY(loaded.notes, app::ApplySettings(rows, environment, loaded.config, kFree));
  loaded.config.xds_headers = app::WithPrefix(environment, kFree[0]);
  loaded.config.ca_headers = app::WithPrefix(environment, kFree[1]);
  return loaded;
}

}  // namespace aquifer::proxy
