#include "node-proxy/admin.h"

#include <nlohmann/json.hpp>

#include "core/obs/level_filter.h"
#include "mesh/dump.h"
#include "node-proxy/proxy.h"

namespace aquifer::node {
namespace {

using Json = nlohmann::ordered_json;

std::string Rfc3339(certs::WallTime time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

Json CertificateJson(const certs::CertificateInfo& info) {
  return Json{{"pem", info.pem},
              {"serialNumber", info.serial_number},
              {"validFrom", Rfc3339(info.not_before)},
              {"expirationTime", Rfc3339(info.not_after)}};
}

Json CertificatesJson(const certs::CertStore& store) {
  Json list = Json::array();
  for (const certs::CertStatus& status : store.Dump()) {
    Json entry{{"identity", status.identity.ToString()},
               {"state", certs::StateName(status.state)},
               {"certChain", Json::array()},
               {"rootCerts", Json::array()}};
    if (status.certificate != nullptr) {
      for (const certs::CertificateInfo& info : status.certificate->bundle.certificates())
        entry["certChain"].push_back(CertificateJson(info));
      for (const certs::CertificateInfo& info : status.certificate->bundle.roots()->certificates())
        entry["rootCerts"].push_back(CertificateJson(info));
    }
    if (!status.failure.empty()) entry["failure"] = status.failure;
    list.push_back(std::move(entry));
  }
  return list;
}

http::Response Dump(Proxy& proxy) {
  Json dump;
  const mesh::SnapshotRef snapshot = proxy.snapshot();
  if (snapshot != nullptr) dump = mesh::DumpJson(*snapshot);
  const Config& config = proxy.config();
  dump["version"] = Json{{"component", "aquifer-node"}, {"istioVersion", config.istio_version}};
  dump["config"] =
      Json{{"network", config.network},         {"localNode", config.node_name},
           {"clusterId", config.cluster_id},    {"clusterDomain", config.cluster_domain},
           {"xdsAddress", config.xds_address},  {"caAddress", config.ca_address},
           {"numWorkerThreads", config.workers}};
  dump["certificates"] = CertificatesJson(proxy.certificates());
  dump["workloadState"] = Json(proxy.pods());
  http::Response response = http::Response::Text(200, dump.dump(2) + "\n");
  response.headers.Set("content-type", "application/json");
  return response;
}

http::Response Logging(Proxy& proxy, const http::Request& request) {
  if (request.head.method != "POST") {
    return http::Response::Text(200,
                                "POST ?level=debug, ?level=scope:level,... or ?reset\ncurrent: " +
                                    proxy.log().levels().ToString() + "\n");
  }
  constexpr std::string_view kLevel = "level=";
  const std::string_view query = request.query();
  const std::string wanted = query == "reset"            ? proxy.config().log_levels
                             : query.starts_with(kLevel) ? std::string(query.substr(kLevel.size()))
                                                         : std::string();
  Decoded<obs::LevelFilter> levels = obs::LevelFilter::Parse(wanted);
  if (wanted.empty() || !levels)
    return http::Response::Text(400, "not a level: " + std::string(query) + "\n");
  proxy.log().SetLevels(*levels);
  return http::Response::Text(200, "active log level is " + levels->ToString() + "\n");
}

Task<http::Response> Answer(Proxy& proxy, const http::Request& request) {
  const std::string_view path = request.path();
  if (path == "/")
    co_return http::Response::Text(200, "aquifer-node\n/config_dump\n/logging\n/quitquitquit\n");
  if (path == "/config_dump") co_return Dump(proxy);
  if (path == "/logging") co_return Logging(proxy, request);
  if (path == "/quitquitquit") {
    if (request.head.method != "POST") co_return http::Response::Text(405, "POST only\n");
    proxy.Quit();
    co_return http::Response::Text(200, "shutdown now\n");
  }
  co_return http::Response::Text(404, "not found\n");
}

}  // namespace

http::Server::Handler AdminHandler(Proxy& proxy) {
  return [&proxy](const http::Request& request, StopToken) { return Answer(proxy, request); };
}

}  // namespace aquifer::node
