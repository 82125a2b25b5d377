#include "cli/our_pods.h"

#include <algorithm>
#include <tuple>

namespace aquifer::cli {
namespace {

constexpr std::string_view kPods = "/api/v1/pods";
constexpr std::string_view kChart = "labelSelector=app.kubernetes.io%2Fpart-of%3Daquifer";
constexpr std::string_view kDeployed =
    "labelSelector=gateway.istio.io%2Fmanaged%3Daquifer.io-controller";

// "registry:5000/aquifer:0.1" -> "0.1".
std::string VersionOf(const std::string& image) {
  const size_t digest = image.find('@');
  if (digest != std::string::npos) return image.substr(digest + 1);
  const size_t slash = image.rfind('/');
  const size_t tag = image.find(':', slash == std::string::npos ? 0 : slash);
  return tag == std::string::npos ? "" : image.substr(tag + 1);
}

std::string PartOf(const std::string& name) {
  constexpr std::string_view kOurs = "aquifer-";
  return name.starts_with(kOurs) ? name.substr(kOurs.size()) : name;
}

bool IsReady(const Json& pod) {
  const Json* const conditions = ValueAt(pod, {"status", "conditions"});
  if (conditions == nullptr || !conditions->is_array()) return false;
  return std::any_of(conditions->begin(), conditions->end(), [](const Json& condition) {
    return TextAt(condition, {"type"}) == "Ready" && TextAt(condition, {"status"}) == "True";
  });
}

}  // namespace

OurPod ReadOurPod(const Json& pod) {
  OurPod read;
  read.name_space = TextAt(pod, {"metadata", "namespace"});
  read.name = TextAt(pod, {"metadata", "name"});
  read.node = TextAt(pod, {"spec", "nodeName"});
  read.gateway = TextAt(pod, {"metadata", "labels", "gateway.networking.k8s.io/gateway-name"});
  if (read.gateway.empty())
    read.gateway = TextAt(pod, {"metadata", "labels", "istio.io/gateway-name"});
  read.part = read.gateway.empty()
                  ? PartOf(TextAt(pod, {"metadata", "labels", "app.kubernetes.io/name"}))
                  : "waypoint";
  const Json* const containers = ValueAt(pod, {"spec", "containers"});
  if (containers != nullptr && containers->is_array() && !containers->empty()) {
    read.container = TextAt(containers->front(), {"name"});
    read.version = VersionOf(TextAt(containers->front(), {"image"}));
  }
  read.ready = IsReady(pod);
  return read;
}

Task<Answer<std::vector<OurPod>>> ListOurPods(Cluster& cluster, StopToken stop) {
  std::vector<OurPod> pods;
  for (const std::string_view selector : {kChart, kDeployed}) {
    std::string path(kPods);
    std::string query(selector);
    const Answer<std::vector<Json>> items =
        co_await cluster.List(std::move(path), std::move(query), stop);
    if (!items.ok()) co_return items.error();
    for (const Json& item : *items) pods.push_back(ReadOurPod(item));
  }
  const auto key = [](const OurPod& pod) {
    return std::tie(pod.part, pod.node, pod.name_space, pod.name);
  };
  std::sort(pods.begin(), pods.end(),
            [&](const OurPod& a, const OurPod& b) { return key(a) < key(b); });
  const auto same = [&](const OurPod& a, const OurPod& b) { return key(a) == key(b); };
  pods.erase(std::unique(pods.begin(), pods.end(), same), pods.end());
  co_return pods;
}

}  // namespace aquifer::cli
