// The few fields of Pod and Namespace manifests that decide about capture, read from YAML or JSON.
// A document that cannot be used becomes a refusal and costs its neighbours nothing; other kinds
// are passed over. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "redirect/zds.h"

namespace aquifer::redirect {

// Which network namespace is the pod's: a name as of ip-netns(8), or an absolute path. Ours, for
// machines without Kubernetes; there, the container runtime says.
inline constexpr std::string_view kNetnsAnnotation = "aquifer.io/netns";
inline constexpr std::string_view kModeLabel = "istio.io/dataplane-mode";
inline constexpr std::string_view kSidecarAnnotation = "sidecar.istio.io/status";
inline constexpr std::string_view kBypassAnnotation = "ambient.istio.io/bypass-inbound-capture";
inline constexpr std::string_view kDnsAnnotation = "ambient.istio.io/dns-capture";

struct PodManifest {
  PodInfo info;
  std::string uid;   // metadata.uid, else "namespace/name"
  std::string node;  // spec.nodeName
  std::string netns;
  std::optional<std::string> mode;  // label istio.io/dataplane-mode
  bool host_network = false;
  bool has_sidecar = false;     // annotation sidecar.istio.io/status
  bool bypass_inbound = false;  // annotation ambient.istio.io/bypass-inbound-capture
  bool dns_capture = true;      // annotation ambient.istio.io/dns-capture
};

struct NamespaceManifest {
  std::string name;
  std::optional<std::string> mode;
};

struct PodManifests {
  std::vector<PodManifest> pods;
  std::vector<NamespaceManifest> namespaces;
  std::vector<Refusal> refusals;  // fields start with the document: "document 2: metadata.name"
};

// Label istio.io/dataplane-mode: the pod's own beats its namespace's. Never a pod of the host's
// network, nor one that brings a sidecar, nor one of another node.
bool IsEnrolled(const PodManifest& pod, const std::string* namespace_mode,
                const std::string& node_name);

PodManifests ReadPodManifests(std::string_view text);

}  // namespace aquifer::redirect
