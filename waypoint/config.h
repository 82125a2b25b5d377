// Every setting of the program. They come from the environment under the names that Istio's node
// proxy uses where it has one; config.cc holds one row a setting. Read once, checked whole before
// anything listens. Values, any thread after that.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/obs/log_format.h"

namespace aquifer::waypoint {

struct Config {
  std::string gateway_name;  // GATEWAY_NAME: the Gateway we serve
  std::string pod_name;
  std::string pod_namespace;    // the Gateway's namespace too
  std::string service_account;  // our identity
  std::string instance_ip;
  std::string trust_domain = "cluster.local";
  std::string network;
  std::string cluster_id = "Kubernetes";
  std::string cluster_domain = "cluster.local";
  std::string node_name;

  std::string xds_address;  // host:port
  std::string ca_address;
  std::string xds_root_ca = "./var/run/secrets/istio/root-cert.pem";  // a path or PEM
  std::string ca_root_ca = "./var/run/secrets/istio/root-cert.pem";
  std::string xds_host_name;  // what the server's certificate must say; empty: the address's host
  std::string ca_host_name;
  std::string auth_token = "./var/run/secrets/tokens/istio-token";
  std::chrono::milliseconds certificate_lifetime = std::chrono::hours(24);

  std::uint16_t hbone_port = 15008;
  std::uint16_t admin_port = 15000;
  std::uint16_t stats_port = 15020;
  std::uint16_t ready_port = 15021;
  std::string stats_address;  // where metrics and readiness listen; empty: everywhere
  unsigned workers = 2;
  std::chrono::milliseconds drain_deadline = std::chrono::seconds(5);
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);  // of a tunnel's peer
  bool ipv6 = true;

  obs::LogFormat log_format = obs::LogFormat::kText;
  std::string log_levels = "info";
  bool access_log = true;
};

using Environment = std::map<std::string, std::string>;
// The process's own.
Environment ReadEnvironment();

// The refusal's field is the variable.
Decoded<Config> LoadConfig(const Environment& environment);

}  // namespace aquifer::waypoint
