#include "cli/proxy_certs.h"

#include <algorithm>
#include <chrono>

#include "certs/bundle.h"
#include "cli/metrics_text.h"
#include "control/names.h"
#include "core/rt/scope.h"

namespace aquifer::cli {
namespace {

constexpr const char* kRootMap = "istio-ca-root-cert";
constexpr double kLatest = 253402300799;  // the last second of the year 9999
constexpr size_t kMaxMetrics = 8 << 20;
constexpr size_t kAtOnce = 16;  // a node that is gone answers late

Task<void> ReadMetrics(Cluster& cluster, ProxyCerts& proxy, StopToken stop) {
  const KindPath pods{"/api/v1", "pods", true};
  std::string path =
      ObjectPath(pods, proxy.pod.name_space, proxy.pod.name) + ":15020/proxy/metrics";
  const Answer<std::string> text = co_await cluster.Text(std::move(path), stop, kMaxMetrics);
  if (!text.ok()) {
    proxy.problem = text.error().ToString();
    co_return;
  }
  proxy.available = ReadSample(*text, "aquifer_certificates_available");
  proxy.initializing = ReadSample(*text, "aquifer_certificates_initializing");
  proxy.unavailable = ReadSample(*text, "aquifer_certificates_unavailable");
  proxy.soonest = ReadSample(*text, "aquifer_certificates_soonest_expiry_timestamp_seconds");
}

}  // namespace

std::string EndText(const std::optional<double>& seconds) {
  if (!seconds || !(*seconds > 0) || *seconds > kLatest) return "";
  return control::FormatTimestamp(static_cast<std::int64_t>(*seconds));
}

Task<std::vector<ProxyCerts>> ReadProxyCerts(Cluster& cluster, const std::vector<OurPod>& pods,
                                             StopToken stop) {
  std::vector<ProxyCerts> proxies;
  for (const OurPod& pod : pods) {
    if (pod.part != "node" && pod.part != "waypoint") continue;
    ProxyCerts proxy;
    proxy.pod = pod;
    proxies.push_back(std::move(proxy));
  }
  for (size_t first = 0; first < proxies.size(); first += kAtOnce) {
    Scope asked;
    const size_t end = std::min(first + kAtOnce, proxies.size());
    for (size_t i = first; i < end; ++i) asked.Spawn(ReadMetrics(cluster, proxies[i], stop));
    co_await asked.Join();
  }
  co_return proxies;
}

Roots RootsOf(const std::string& pem) {
  Roots roots;
  const auto bundle = certs::RootBundle::FromPem(pem);
  if (!bundle) {
    roots.problem = bundle.error().ToString();
    return roots;
  }
  for (const certs::CertificateInfo& root : (*bundle)->certificates()) {
    const auto end =
        std::chrono::duration_cast<std::chrono::seconds>(root.not_after.time_since_epoch());
    roots.roots.push_back({root.serial_number, static_cast<double>(end.count())});
  }
  return roots;
}

Task<Roots> ReadRoots(Cluster& cluster, std::string name_space, StopToken stop) {
  ObjectName name{"v1", "ConfigMap", std::move(name_space), kRootMap};
  const std::string place = name.ToString();
  const Answer<std::optional<Json>> map = co_await cluster.Read(std::move(name), stop);
  Roots roots;
  if (!map.ok()) {
    roots.problem = place + ": " + map.error().ToString();
  } else if (!*map) {
    roots.problem = place + " is not there";
  } else {
    roots = RootsOf(TextAt(**map, {"data", "root-cert.pem"}));
  }
  co_return roots;
}

}  // namespace aquifer::cli
