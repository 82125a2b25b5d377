// Every setting of the node proxy. They come from the environment under the names that Istio's node
// proxy uses, so that either program can be started with the other's environment; config.cc holds
// one row a setting with its bounds, proxy/settings.h those that a waypoint has too. Read once,
// checked whole before anything listens. Values, any thread after that.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/io/copy.h"
#include "core/io/keepalive.h"
#include "proxy/settings.h"

namespace aquifer::node {

enum class ProxyMode : std::uint8_t { kShared, kDedicated };
enum class KeepSource : std::uint8_t { kTry, kRequired, kOff };

// The workload of a dedicated proxy.
struct WorkloadName {
  std::string name;
  std::string ns;
  std::string service_account;
};

struct Config : proxy::CommonSettings {
  ProxyMode mode = ProxyMode::kShared;
  std::optional<WorkloadName> workload;  // dedicated mode

  std::string istio_version = "unknown";
  std::map<std::string, std::string> node_metadata;       // ISTIO_META_* without the prefix
  std::map<std::string, std::string> node_metadata_json;  // ISTIO_METAJSON_*: values are JSON

  std::string local_config_path;   // LOCAL_XDS_PATH
  std::string local_config;        // LOCAL_XDS
  std::string local_ca_directory;  // AQUIFER_LOCAL_CA_DIR: sign certificates ourselves with the CA
                                   // kept there

  bool on_demand = false;  // XDS_ON_DEMAND: ask for what connections need, not for the whole mesh

  std::string zds_path = "/var/run/ztunnel/ztunnel.sock";
  std::uint32_t packet_mark = 0;  // 0: none
  bool reuse_port = true;
  KeepSource keep_source = KeepSource::kTry;

  std::uint16_t outbound_port = 15001;
  std::uint16_t inbound_plaintext_port = 15006;
  std::uint16_t inbound_port = 15008;

  bool dns = true;  // ISTIO_META_DNS_CAPTURE
  std::vector<Address> dns_addresses = {{Ip::Loopback4(), 15053}, {Ip::Loopback6(), 15053}};
  std::string preferred_namespace;  // PREFERED_SERVICE_NAMESPACE: of services with one host name
  bool socks5 = false;              // on loopback of each pod
  std::uint16_t socks5_port = 15080;

  std::size_t pool_max_streams = 100;
  std::chrono::milliseconds pool_idle = std::chrono::minutes(5);
  std::uint32_t stream_window_bytes = 1024 * 1024;
  std::uint32_t connection_window_bytes = 16 * 1024 * 1024;
  std::uint32_t frame_bytes = 1024 * 1024;
  io::KeepAlive keepalive;
  io::CopyLimits copy_limits{.idle = {}, .half_closed = std::chrono::hours(1)};
  std::size_t buffer_bytes = std::size_t{512} * 1024 * 1024;  // of all pods together
  bool response_baggage = true;
  bool localhost_app_tunnel = true;  // applications that speak PROXY are dialled on loopback
  bool policy_info_logging = false;  // judgements are logged at info
  bool post_quantum_only = false;

  // Where a connection would come back to the proxy.
  std::vector<std::uint16_t> illegal_ports() const {
    std::vector<std::uint16_t> ports = {inbound_plaintext_port, inbound_port, outbound_port};
    if (socks5) ports.push_back(socks5_port);
    return ports;
  }
  // Whether the proxy is told its own workload, so that its metrics can be had over HBONE.
  bool serves_itself() const {
    return mode == ProxyMode::kShared && !pod_name.empty() && !pod_namespace.empty() &&
           !service_account.empty();
  }
};

// The refusal's field is the variable.
Decoded<proxy::Loaded<Config>> LoadConfig(const app::Environment& environment);

}  // namespace aquifer::node
