// An ObjectSet as the other parts of reconciliation ask about it: which pods can serve, which of
// them a service selects, what a namespace is labelled. Built once for a set and const from then
// on; the set and the settings outlive it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "control/object_set.h"
#include "control/reconcile/settings.h"

namespace aquifer::control {

class MeshIndex {
 public:
  MeshIndex(const ObjectSet& objects, const MeshSettings& settings);

  const ObjectSet& objects() const { return objects_; }
  const MeshSettings& settings() const { return settings_; }

  // Those of a Namespace object, or just its name's if there is no such object.
  Labels NamespaceLabels(std::string_view name) const;
  std::string_view NamespaceLabel(std::string_view name, std::string_view key) const;

  // Pods that have an address and have not ended, in the order of their names.
  const std::vector<const Pod*>& live_pods() const { return live_pods_; }
  // Live pods of the namespace that carry all these labels; none for no labels.
  std::vector<const Pod*> PodsWith(std::string_view namespace_name, const Labels& labels) const;
  const std::vector<const Pod*>& PodsOf(const Service& service) const;
  const std::vector<const Service*>& ServicesOf(const Pod& pod) const;
  // Where a service without a selector finds the pod; null for one that selects it.
  const EndpointSlice* SliceOf(const Service& service, const Pod& pod) const;
  // Endpoints that are no pods, in the order of their slices.
  struct Outside {
    const Service* service;
    const EndpointSlice* slice;
    const EndpointSlice::Endpoint* endpoint;
  };
  const std::vector<Outside>& outside() const { return outside_; }

  // Whether new connections may go there: it is ready, or it is being deleted, still says that it
  // is ready, and a service of it has no ready pod left, as kube-proxy does it.
  bool Serves(const Pod& pod) const;

  // Whether the pod's traffic goes through the node proxy (MeshSettings::Capture).
  bool IsCaptured(const Pod& pod) const;

  // "httpbin.default.svc.cluster.local".
  std::string HostnameOf(std::string_view namespace_name, std::string_view service) const;
  std::string HostnameOf(const Service& service) const;

 private:
  using LabelPlace =
      std::tuple<std::string_view, std::string_view, std::string_view>;  // namespace, key, value

  void AddSlice(const EndpointSlice& slice);

  const ObjectSet& objects_;
  const MeshSettings& settings_;
  std::vector<const Pod*> live_pods_;
  std::map<LabelPlace, std::vector<const Pod*>> pods_by_label_;
  std::unordered_map<const Service*, std::vector<const Pod*>> pods_by_service_;
  std::unordered_map<const Pod*, std::vector<const Service*>> services_by_pod_;
  std::map<std::pair<const Service*, const Pod*>, const EndpointSlice*> slices_;
  std::vector<Outside> outside_;
};

// Ready as kubelet says; where nobody keeps conditions, a running pod (or one without a phase)
// counts as ready.
bool IsReady(const Pod& pod);

}  // namespace aquifer::control
