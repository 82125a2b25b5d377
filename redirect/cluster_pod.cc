#include "redirect/cluster_pod.h"

#include <utility>

#include "kube/names.h"

namespace aquifer::redirect {
namespace {

using kube::Fields;
using kube::Json;

constexpr size_t kMaxUid = 64;
constexpr size_t kMaxRedirection = 64;
constexpr std::string_view kConfigHashAnnotation = "kubernetes.io/config.hash";

std::string Name(Fields& metadata) {
  std::string name = metadata.RequiredText("name", kube::kMaxNameText);
  if (!kube::IsDnsSubdomain(name)) metadata.Refuse("name", "is not the name of an object");
  return name;
}

// Both go into the paths of requests.
std::string NamespaceName(Fields& metadata) {
  std::string name = metadata.RequiredText("namespace", kube::kMaxNameText);
  if (!kube::IsDnsLabel(name)) metadata.Refuse("namespace", "is not the name of a namespace");
  return name;
}

std::optional<std::string> Mode(Fields& metadata) {
  return metadata.Object("labels").OptionalText(kModeLabel, kube::kMaxNameText);
}

// Only "true" and "false" say something.
bool FlagOr(Fields& annotations, std::string_view key, bool absent, std::optional<Refusal>& doubt) {
  const Json* const value = annotations.Find(key);
  if (value == nullptr) return absent;
  if (*value == "true") return true;
  if (*value == "false") return false;
  doubt = Refusal{annotations.PathOf(key), "must be true or false, and counts as absent"};
  return absent;
}

std::string ShortText(Fields& annotations, std::string_view key, size_t max) {
  const Json* const value = annotations.Find(key);
  if (value == nullptr || !value->is_string()) return "";
  return value->get_ref<const std::string&>().substr(0, max);
}

void ReadAnnotations(Fields annotations, ClusterPod& read) {
  read.pod.has_sidecar = annotations.Has(kSidecarAnnotation);
  read.pod.bypass_inbound = FlagOr(annotations, kBypassAnnotation, false, read.doubt);
  read.pod.dns_capture = FlagOr(annotations, kDnsAnnotation, true, read.doubt);
  read.redirection = ShortText(annotations, kRedirectionAnnotation, kMaxRedirection);
  read.static_uid = ShortText(annotations, kConfigHashAnnotation, kMaxUid);
}

// As in pod_manifest.cc, for a pod has one identity.
std::string ServiceAccount(Fields& spec) {
  for (const std::string_view key : {"serviceAccountName", "serviceAccount"}) {
    std::string name = spec.Text(key, "", kube::kMaxNameText);
    if (!name.empty()) return name;
  }
  return "default";
}

}  // namespace

Decoded<ClusterPod> ReadClusterPod(const Json& object) {
  std::optional<Refusal> refusal;
  Fields root(&object, "", refusal);
  ClusterPod read;
  PodManifest& pod = read.pod;
  Fields metadata = root.Object("metadata");
  pod.info.name = Name(metadata);
  pod.info.ns = NamespaceName(metadata);
  pod.uid = metadata.RequiredText("uid", kMaxUid);
  pod.mode = Mode(metadata);
  ReadAnnotations(metadata.Object("annotations"), read);
  Fields spec = root.Object("spec");
  pod.node = spec.Text("nodeName", "", kube::kMaxNameText);
  pod.info.service_account = ServiceAccount(spec);
  pod.host_network = spec.Flag("hostNetwork", false);
  const std::string phase = root.Object("status").Text("phase", "", kube::kMaxNameText);
  read.running = phase == "Running";
  read.ended = phase == "Succeeded" || phase == "Failed";
  if (refusal) return *std::move(refusal);
  if (auto usable = CheckPodInfo(pod.info); !usable.ok()) return usable.error();
  return read;
}

Decoded<NamespaceManifest> ReadClusterNamespace(const Json& object) {
  std::optional<Refusal> refusal;
  Fields root(&object, "", refusal);
  Fields metadata = root.Object("metadata");
  NamespaceManifest ns;
  ns.name = Name(metadata);
  ns.mode = Mode(metadata);
  if (refusal) return *std::move(refusal);
  return ns;
}

}  // namespace aquifer::redirect
