// Every setting of the node proxy. They come from the environment under the names that Istio's node
// proxy uses, so that either program can be started with the other's environment; config.cc holds
// one row a setting with its default and bounds. Read once, checked whole before anything listens.
// Values, any thread after that.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/obs/log_format.h"

namespace aquifer::node {

enum class ProxyMode : std::uint8_t { kShared, kDedicated };
enum class KeepSource : std::uint8_t { kTry, kRequired, kOff };

// The workload of a dedicated proxy.
struct WorkloadName {
  std::string name;
  std::string ns;
  std::string service_account;
};

struct Config {
  ProxyMode mode = ProxyMode::kShared;
  std::optional<WorkloadName> workload;  // dedicated mode

  std::string network;
  std::string node_name;
  std::string cluster_id = "Kubernetes";
  std::string cluster_domain = "cluster.local";
  std::string trust_domain = "cluster.local";
  std::string pod_name;
  std::string pod_namespace;
  std::string service_account;
  std::string instance_ip = "1.1.1.1";
  std::string istio_version = "unknown";
  std::map<std::string, std::string> node_metadata;  // ISTIO_META_* without the prefix

  std::string xds_address;  // host:port; empty: none
  std::string ca_address;
  std::string xds_root_ca = "./var/run/secrets/istio/root-cert.pem";  // a path or PEM
  std::string ca_root_ca = "./var/run/secrets/istio/root-cert.pem";
  std::string
      xds_host_name;  // what the server's certificate must say; empty: the host of the address
  std::string ca_host_name;
  std::string auth_token = "./var/run/secrets/tokens/istio-token";  // a path or the token
  std::map<std::string, std::string> xds_headers;
  std::map<std::string, std::string> ca_headers;
  std::string local_config_path;   // LOCAL_XDS_PATH
  std::string local_config;        // LOCAL_XDS
  std::string local_ca_directory;  // AQUIFER_LOCAL_CA_DIR: sign certificates ourselves with the CA
                                   // kept there
  std::chrono::milliseconds certificate_lifetime = std::chrono::hours(24);

  std::string zds_path = "/var/run/ztunnel/ztunnel.sock";
  std::uint32_t packet_mark = 0;  // 0: none
  bool reuse_port = true;
  KeepSource keep_source = KeepSource::kTry;
  bool ipv6 = true;
  unsigned workers = 2;

  std::uint16_t outbound_port = 15001;
  std::uint16_t inbound_plaintext_port = 15006;
  std::uint16_t inbound_port = 15008;
  std::uint16_t admin_port = 15000;
  std::uint16_t stats_port = 15020;
  std::uint16_t ready_port = 15021;

  std::size_t pool_max_streams = 100;
  std::chrono::milliseconds pool_idle = std::chrono::minutes(5);
  std::chrono::milliseconds drain_deadline = std::chrono::seconds(5);
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);  // of an HBONE peer
  std::uint32_t stream_window_bytes = 1024 * 1024;
  std::uint32_t connection_window_bytes = 16 * 1024 * 1024;
  std::uint32_t frame_bytes = 1024 * 1024;
  bool response_baggage = true;
  bool post_quantum_only = false;
  bool policy_info_logging = false;

  obs::LogFormat log_format = obs::LogFormat::kText;
  std::string log_levels = "info";
  std::vector<std::string> ignored;  // settings that we know and that change nothing here
};

using Environment = std::map<std::string, std::string>;
// The process's own.
Environment ReadEnvironment();

struct ConfigOutcome {
  Config config;
  // Names of our kind (ZTUNNEL_*, XDS_*, CA_*, POOL_*, HTTP2_*, INPOD_*, AQUIFER_*) that are no
  // setting; probably misspelt.
  std::vector<std::string> unknown;
};

// The refusal's field is the variable.
Decoded<ConfigOutcome> LoadConfig(const Environment& environment);

}  // namespace aquifer::node
