// The few fields of Pod and Namespace objects that decide about capture, as an API server sends
// them. What the owner of a pod can get wrong costs the pod nothing but that setting. Pure; any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "kube/fields.h"
#include "redirect/pod_manifest.h"

namespace aquifer::redirect {

inline constexpr std::string_view kRedirectionAnnotation = "ambient.istio.io/redirection";

struct ClusterPod {
  PodManifest pod;       // nobody says its namespace
  bool running = false;  // its containers have been started
  bool ended = false;    // all of them, for good: Succeeded or Failed
  // What the runtime calls a static pod by, whose object the API server has under another UID; ""
  // for others.
  std::string static_uid;
  std::string redirection;       // the annotation; "" if there is none
  std::optional<Refusal> doubt;  // about an annotation that counts as absent
};

Decoded<ClusterPod> ReadClusterPod(const kube::Json& object);
Decoded<NamespaceManifest> ReadClusterNamespace(const kube::Json& object);

}  // namespace aquifer::redirect
