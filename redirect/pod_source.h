// Which pods of this node are to be captured, from a directory of ordinary manifests: the stand-in
// for a Kubernetes API server. What was good is not lost to a mistake: while a file cannot be read,
// or has documents that are refused, its pods and namespaces stay as they were. A file that has not
// changed is not read again. Blocking file I/O; one thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/file_stamp.h"
#include "redirect/pod_lookup.h"
#include "redirect/pod_manifest.h"

namespace aquifer::redirect {

struct PodSourceOptions {
  std::string directory;
  std::string node_name;
  // Whether the node's proxies serve DNS at all.
  bool dns = false;
  // Whether a container runtime may say where a pod's network namespace is, so that a manifest need
  // not.
  bool netns_from_plugin = false;
  size_t total_bytes = 64 << 20;  // of all manifests, as for the control plane
  std::chrono::system_clock::time_point (*now)() = &std::chrono::system_clock::now;
};

// Label istio.io/dataplane-mode: the pod's own beats its namespace's. Never a pod of the host's
// network, nor one that brings a sidecar, nor one of another node.
bool IsEnrolled(const PodManifest& pod, const std::string* namespace_mode,
                const std::string& node_name);

class PodSource final : public PodLookup {
 public:
  explicit PodSource(PodSourceOptions options) : options_(std::move(options)) {}

  // Reads the directory. Fields of the refusals start with the file.
  void Scan();
  // By uid, as of the last scan.
  const std::map<std::string, WantedPod>& wanted() const { return wanted_; }
  // Those that are to be captured as well and whose network namespace nobody has named.
  const std::map<std::string, WantedPod>& without_netns() const { return without_netns_; }
  // As of the last scan. A namespace without a manifest has no label, once all could be read.
  std::optional<PodVerdict> Find(const PodKey& key) const override;
  const std::vector<Refusal>& refusals() const { return refusals_; }
  // Whether the last scan could read everything, so that what it lacks is really gone.
  bool complete() const { return complete_; }
  // How many files have been read since the start.
  size_t reads() const { return reads_; }

 private:
  struct File {
    FileStamp stamp;   // of the content that was read, if it was
    size_t bytes = 0;  // of the content that the manifests are from
    PodManifests manifests;
  };
  using FileRef = std::shared_ptr<const File>;

  FileRef Before(const std::string& name) const;
  FileRef ReadFile(const std::string& name, const std::optional<FileStamp>& stamp,
                   size_t total_bytes);
  void Refuse(const std::string& field, const std::string& why);
  void RefuseOfFiles();
  void Select();
  const std::string* ModeOf(const std::string& ns) const;
  WantedPod WantedOf(const PodManifest& pod) const;
  void Want(const PodManifest& pod);

  const PodSourceOptions options_;
  std::map<std::string, FileRef> files_;
  std::map<std::string, std::string> modes_;  // of namespaces
  std::map<std::string, WantedPod> wanted_;
  std::map<std::string, WantedPod> without_netns_;
  std::vector<Refusal> refusals_;
  bool complete_ = false;
  size_t reads_ = 0;
};

}  // namespace aquifer::redirect
