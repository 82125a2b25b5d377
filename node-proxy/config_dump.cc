#include "node-proxy/config_dump.h"

#include <nlohmann/json.hpp>

#include "core/app/version.h"
#include "mesh/dump.h"
#include "proxy/certificates_json.h"

namespace aquifer::node {

std::string DumpConfig(const Config& config, const mesh::Snapshot* snapshot,
                       const std::vector<certs::CertStatus>& certificates,
                       const std::set<std::string>& pods) {
  using Json = nlohmann::ordered_json;
  Json dump;
  if (snapshot != nullptr) dump = mesh::DumpJson(*snapshot);
  dump["version"] = Json{{"component", "aquifer-node"},
                         {"version", app::Version()},
                         {"istioVersion", config.istio_version}};
  dump["config"] =
      Json{{"network", config.network},         {"localNode", config.node_name},
           {"clusterId", config.cluster_id},    {"clusterDomain", config.cluster_domain},
           {"xdsAddress", config.xds_address},  {"caAddress", config.ca_address},
           {"numWorkerThreads", config.workers}};
  dump["certificates"] = proxy::CertificatesJson(certificates);
  dump["workloadState"] = Json(pods);
  // Names come from outside: bytes that are not UTF-8 are replaced and do not throw.
  return dump.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace aquifer::node
