// Which pods of this node are to be captured, from a directory of ordinary manifests: the stand-in
// for a Kubernetes API server. What was good is not lost to a mistake: while a file cannot be read,
// or has documents that are refused, its pods and namespaces stay as they were. Blocking file I/O;
// one thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "redirect/pod_manifest.h"
#include "redirect/rule_text.h"

namespace aquifer::redirect {

struct WantedPod {
  std::string uid;
  PodInfo info;
  std::string netns;  // name or path
  RuleOptions rules;
};

struct PodSourceOptions {
  std::string directory;
  std::string node_name;
  // Whether the node's proxies serve DNS at all.
  bool dns = false;
};

// Label istio.io/dataplane-mode: the pod's own beats its namespace's. Never a pod of the host's
// network, nor one that brings a sidecar, nor one of another node.
bool IsEnrolled(const PodManifest& pod, const std::string* namespace_mode,
                const std::string& node_name);

class PodSource {
 public:
  explicit PodSource(PodSourceOptions options) : options_(std::move(options)) {}

  // Reads the directory. Fields of the refusals start with the file.
  void Scan();
  // By uid, as of the last scan.
  const std::map<std::string, WantedPod>& wanted() const { return wanted_; }
  const std::vector<Refusal>& refusals() const { return refusals_; }
  // Whether the last scan could read everything, so that what it lacks is really gone.
  bool complete() const { return complete_; }

 private:
  void ScanFile(const std::string& name, const PodManifests* before, PodManifests& now);
  void Refuse(const std::string& field, const std::string& why);
  void Select();
  void Want(const PodManifest& pod);

  const PodSourceOptions options_;
  std::map<std::string, PodManifests> files_;
  std::map<std::string, WantedPod> wanted_;
  std::vector<Refusal> refusals_;
  bool complete_ = false;
};

}  // namespace aquifer::redirect
