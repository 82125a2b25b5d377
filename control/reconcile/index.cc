#include "control/reconcile/index.h"

#include <algorithm>

namespace aquifer::control {
namespace {

bool IsLive(const Pod& pod) {
  return !pod.ips.empty() && pod.phase != Pod::Phase::kSucceeded &&
         pod.phase != Pod::Phase::kFailed;
}

}  // namespace

MeshIndex::MeshIndex(const ObjectSet& objects, const MeshSettings& settings)
    : objects_(objects), settings_(settings) {
  for (const auto& [key, pod] : objects.pods) {
    if (!IsLive(pod)) continue;
    live_pods_.push_back(&pod);
    for (const auto& [label, value] : pod.meta.labels) {
      pods_by_label_[{pod.meta.namespace_name, label, value}].push_back(&pod);
    }
  }
  for (const auto& [key, service] : objects.services) {
    std::vector<const Pod*> pods = PodsWith(service.meta.namespace_name, service.selector);
    for (const Pod* pod : pods) services_by_pod_[pod].push_back(&service);
    pods_by_service_.emplace(&service, std::move(pods));
  }
  for (const auto& [key, slice] : objects.endpoint_slices) AddSlice(slice);
}

// A selector says more than slices do, which only follow it; what they know beside are endpoints
// that are no pods.
void MeshIndex::AddSlice(const EndpointSlice& slice) {
  const Service* service = FindObject(objects_.services, slice.meta.namespace_name, slice.service);
  if (service == nullptr || service->type == Service::Type::kExternalName) return;
  for (const EndpointSlice::Endpoint& endpoint : slice.endpoints) {
    if (endpoint.pod.empty()) {
      outside_.push_back({service, &slice, &endpoint});
      continue;
    }
    const Pod* pod = FindObject(objects_.pods, slice.meta.namespace_name, endpoint.pod);
    if (!service->selector.empty() || pod == nullptr || !IsLive(*pod)) continue;
    if (!slices_.emplace(std::pair(service, pod), &slice).second) continue;
    services_by_pod_[pod].push_back(service);
    pods_by_service_[service].push_back(pod);
  }
}

const EndpointSlice* MeshIndex::SliceOf(const Service& service, const Pod& pod) const {
  const auto found = slices_.find({&service, &pod});
  return found == slices_.end() ? nullptr : found->second;
}

Labels MeshIndex::NamespaceLabels(std::string_view name) const {
  if (const Namespace* found = FindObject(objects_.namespaces, "", name)) return found->meta.labels;
  return {{"kubernetes.io/metadata.name", std::string(name)}};
}

std::string_view MeshIndex::NamespaceLabel(std::string_view name, std::string_view key) const {
  const Namespace* found = FindObject(objects_.namespaces, "", name);
  return found == nullptr ? std::string_view() : LabelOf(found->meta.labels, key);
}

std::vector<const Pod*> MeshIndex::PodsWith(std::string_view namespace_name,
                                            const Labels& labels) const {
  const std::vector<const Pod*>* fewest = nullptr;
  for (const auto& [key, value] : labels) {
    const auto found = pods_by_label_.find({namespace_name, key, value});
    if (found == pods_by_label_.end()) return {};
    if (fewest == nullptr || found->second.size() < fewest->size()) fewest = &found->second;
  }
  std::vector<const Pod*> pods;
  if (fewest == nullptr) return pods;
  std::copy_if(fewest->begin(), fewest->end(), std::back_inserter(pods),
               [&](const Pod* pod) { return HasLabels(pod->meta.labels, labels); });
  return pods;
}

const std::vector<const Pod*>& MeshIndex::PodsOf(const Service& service) const {
  static const std::vector<const Pod*> kNone;
  const auto found = pods_by_service_.find(&service);
  return found == pods_by_service_.end() ? kNone : found->second;
}

const std::vector<const Service*>& MeshIndex::ServicesOf(const Pod& pod) const {
  static const std::vector<const Service*> kNone;
  const auto found = services_by_pod_.find(&pod);
  return found == services_by_pod_.end() ? kNone : found->second;
}

bool MeshIndex::IsCaptured(const Pod& pod) const {
  if (LabelOf(pod.meta.annotations, "ambient.istio.io/redirection") == "enabled") return true;
  if (settings_.capture == MeshSettings::Capture::kAnnotation) return false;
  if (pod.host_network || pod.meta.annotations.contains("sidecar.istio.io/status")) return false;
  const std::string_view mode = LabelOf(pod.meta.labels, "istio.io/dataplane-mode");
  if (mode == "ambient") return true;
  return mode != "none" &&
         NamespaceLabel(pod.meta.namespace_name, "istio.io/dataplane-mode") == "ambient";
}

std::string MeshIndex::HostnameOf(std::string_view namespace_name, std::string_view service) const {
  std::string name(service);
  name.append(".").append(namespace_name).append(".svc.").append(settings_.cluster_domain);
  return name;
}

std::string MeshIndex::HostnameOf(const Service& service) const {
  return HostnameOf(service.meta.namespace_name, service.meta.name);
}

bool MeshIndex::Serves(const Pod& pod) const {
  if (IsReady(pod)) return true;
  if (!pod.meta.deleting || !pod.ready.value_or(false)) return false;
  const std::vector<const Service*>& services = ServicesOf(pod);
  return std::any_of(services.begin(), services.end(), [this](const Service* service) {
    const std::vector<const Pod*>& pods = PodsOf(*service);
    return std::none_of(pods.begin(), pods.end(), [](const Pod* other) { return IsReady(*other); });
  });
}

bool IsReady(const Pod& pod) {
  if (pod.meta.deleting) return false;
  if (pod.ready) return *pod.ready;
  return pod.phase == Pod::Phase::kRunning || pod.phase == Pod::Phase::kUnstated;
}

}  // namespace aquifer::control
