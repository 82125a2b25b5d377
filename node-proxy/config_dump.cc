#include "node-proxy/config_dump.h"

#include <nlohmann/json.hpp>

#include "core/app/version.h"
#include "mesh/dump.h"
#include "proxy/certificates_json.h"

namespace aquifer::node {
namespace {

using Json = nlohmann::ordered_json;

Json OrNull(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json DurationJson(std::chrono::milliseconds duration) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
  return Json{{"secs", seconds.count()},
              {"nanos", std::chrono::nanoseconds(duration - seconds).count()}};
}

std::string Url(const std::string& host_and_port) {
  return host_and_port.empty() ? std::string() : "https://" + host_and_port;
}

// Names only: values may be secrets.
Json HeadersJson(const std::map<std::string, std::string>& headers) {
  Json names = Json::array();
  for (const auto& [name, value] : headers) names.push_back(name);
  return names;
}

// A path, or that the certificates themselves were given.
Json RootJson(const std::string& root) {
  return root.starts_with("-----") ? Json("inline") : Json{{"File", root}};
}

void AddListeners(Json& json, const Config& config) {
  const std::string any = config.ipv6 ? "[::]:" : "0.0.0.0:";
  const auto at = [&any](std::uint16_t port) { return any + std::to_string(port); };
  json["adminAddr"] = Json{{"Localhost", Json::array({config.ipv6, config.admin_port})}};
  json["statsAddr"] = Json{{"SocketAddr", at(config.stats_port)}};
  json["readinessAddr"] = Json{{"SocketAddr", at(config.ready_port)}};
  json["inboundAddr"] = at(config.inbound_port);
  json["inboundPlaintextAddr"] = at(config.inbound_plaintext_port);
  json["outboundAddr"] = at(config.outbound_port);
  json["illegalPorts"] = config.illegal_ports();
  json["ipv6Enabled"] = config.ipv6;
}

void AddControlPlane(Json& json, const Config& config) {
  json["xdsAddress"] = OrNull(Url(config.xds_address));
  json["caAddress"] = OrNull(Url(config.ca_address));
  json["altXdsHostname"] = OrNull(config.xds_host_name);
  json["altCaHostname"] = OrNull(config.ca_host_name);
  json["xdsRootCert"] = RootJson(config.xds_root_ca);
  json["caRootCert"] = RootJson(config.ca_root_ca);
  json["xdsHeaders"] = HeadersJson(config.xds_headers);
  json["caHeaders"] = HeadersJson(config.ca_headers);
  json["secretTtl"] = DurationJson(config.certificate_lifetime);
  json["proxyMetadata"] = Json(config.node_metadata);
}

Json ConfigJson(const Config& config) {
  const bool shared = config.mode == ProxyMode::kShared;
  Json json{{"network", config.network},
            {"localNode", OrNull(config.node_name)},
            {"clusterId", config.cluster_id},
            {"clusterDomain", config.cluster_domain},
            {"proxyMode", shared ? "Shared" : "Dedicated"},
            {"numWorkerThreads", config.workers},
            {"packetMark", config.packet_mark == 0 ? Json() : Json(config.packet_mark)},
            {"inpodUds", config.zds_path},
            {"inpodPortReuse", config.reuse_port},
            {"windowSize", config.stream_window_bytes},
            {"connectionWindowSize", config.connection_window_bytes},
            {"frameSize", config.frame_bytes},
            {"poolMaxStreamsPerConn", config.pool_max_streams},
            {"poolUnusedReleaseTimeout", DurationJson(config.pool_idle)},
            {"selfTerminationDeadline", DurationJson(config.drain_deadline)},
            {"enableEnhancedBaggage", config.response_baggage}};
  json["requireOriginalSource"] = config.keep_source == KeepSource::kTry
                                      ? Json()
                                      : Json(config.keep_source == KeepSource::kRequired);
  AddListeners(json, config);
  AddControlPlane(json, config);
  if (!config.pod_name.empty()) {
    json["ztunnelWorkload"] = Json{{"name", config.pod_name},
                                   {"namespace", config.pod_namespace},
                                   {"serviceAccount", config.service_account}};
    json["ztunnelIdentity"] = "spiffe://" + config.trust_domain + "/ns/" + config.pod_namespace +
                              "/sa/" + config.service_account;
  }
  return json;
}

Json VersionJson(const Config& config) {
  return Json{{"component", "aquifer-node"},  {"version", app::Version()},
              {"gitRevision", "unknown"},     {"istioVersion", config.istio_version},
              {"buildProfile", "release"},    {"buildStatus", "unknown"},
              {"cryptoProvider", "boringssl"}};
}

Json ConnectionJson(const ConnectionView& view) {
  Json json{{"src", view.source}, {"originalDst", Json()}, {"actualDst", view.actual_destination}};
  if (view.original_destination) json["originalDst"] = *view.original_destination;
  json["protocol"] = view.hbone ? "HBONE" : "TCP";
  return json;
}

Json PodsJson(const PodsByUid& pods, const std::vector<ConnectionView>& connections) {
  using Name = std::pair<std::string, std::string>;
  std::map<Name, Json> by_pod;
  for (const ConnectionView& view : connections) {
    const bool inbound = view.direction == obs::Direction::kInbound;
    by_pod[{view.pod_namespace, view.pod}][inbound ? "inbound" : "outbound"].push_back(
        ConnectionJson(view));
  }
  Json json = Json::object();
  for (const auto& [uid, info] : pods) {
    Json lists{{"inbound", Json::array()}, {"outbound", Json::array()}};
    const auto found = by_pod.find({info.ns, info.name});
    if (found != by_pod.end()) lists.update(found->second);
    json[uid] = Json{{"state", "Up"},
                     {"connections", std::move(lists)},
                     {"info", Json{{"name", info.name},
                                   {"namespace", info.ns},
                                   {"serviceAccount", info.service_account}}}};
  }
  return json;
}

}  // namespace

std::string DumpConfig(const Config& config, const mesh::Snapshot* snapshot,
                       const std::vector<certs::CertStatus>& certificates, const PodsByUid& pods,
                       const std::vector<ConnectionView>& connections) {
  Json dump;
  if (snapshot != nullptr) dump = mesh::DumpJson(*snapshot);
  dump["staticConfig"] =
      Json{{"workloads", Json::array()}, {"services", Json::array()}, {"policies", Json::array()}};
  dump["version"] = VersionJson(config);
  dump["config"] = ConfigJson(config);
  dump["certificates"] = proxy::CertificatesJson(certificates);
  dump["workloadState"] = PodsJson(pods, connections);
  // Names come from outside: bytes that are not UTF-8 are replaced and do not throw.
  return dump.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace aquifer::node
