// Which pods of this node are to be captured, from the API server: the pods of the node and the
// namespaces of the cluster are listed and watched, the network namespaces of those to be captured
// are looked for among the node's processes, and what has become of each is written on it. While
// the API server is away everything stays as it was. One thread: its Loop's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/obs/log.h"
#include "kube/kind_follower.h"
#include "redirect/cluster_pod.h"
#include "redirect/object_table.h"
#include "redirect/pod_processes.h"
#include "redirect/pod_source.h"
#include "redirect/redirection_notes.h"

namespace aquifer::redirect {

struct ClusterSourceOptions {
  kube::ClusterAccess access;
  std::string node_name;
  std::set<std::string> excluded_namespaces;  // no pod of theirs is captured
  bool dns = false;                           // whether the node's proxies serve DNS at all
  kube::FollowOptions follow;
  NotePace notes;
  // Between two looks for namespaces that were not found.
  Clock::duration first_pause = std::chrono::milliseconds(100);
  Clock::duration longest_pause = std::chrono::seconds(5);
};

class ClusterSource final : public PodSource {
 public:
  // The log outlives the source.
  ClusterSource(ClusterSourceOptions options, PodProcesses processes, obs::Logger& log,
                std::uint64_t seed);

  void Look() override;
  Task<void> Follow(Event& changed, StopToken stop) override;
  const std::map<std::string, WantedPod>& wanted() const override { return wanted_; }
  const std::map<std::string, WantedPod>& without_netns() const override { return without_netns_; }
  std::optional<PodVerdict> Find(const PodKey& key) const override;
  const std::vector<Refusal>& refusals() const override { return refusals_; }
  bool complete() const override { return complete_; }
  bool answered() const override { return complete_; }
  std::vector<WantedPod> Recover(std::vector<WantedPod> former) override;
  void Drop(const std::string& uid) override { sandboxes_.erase(uid); }
  void Tell(const std::string& uid, Redirection redirection) override {
    notes_.Want(uid, redirection);
  }

 private:
  struct Chosen {
    WantedPod pod;
    bool running = false;
  };

  void Choose(TimePoint now);
  bool IsChosen(const ClusterPod& pod) const;
  WantedPod WantedOf(const PodManifest& pod) const;
  void Refuse(const PodInfo& pod, const Refusal& refusal);
  void Seek(TimePoint now);
  void Select();
  Task<void> Remind(Event& changed, StopToken stop);

  const ClusterSourceOptions options_;
  const PodProcesses processes_;
  kube::ApiClient client_;
  Event objects_changed_;
  ObjectTable<ClusterPod> pods_;
  ObjectTable<NamespaceManifest> namespaces_;
  kube::KindFollower pods_follower_;
  kube::KindFollower namespaces_follower_;
  RedirectionNotes notes_;

  bool stale_ = true;  // objects have changed since the last choice
  bool complete_ = false;
  std::map<std::string, Chosen> chosen_;                    // by uid
  std::map<std::string, PodProcesses::Process> sandboxes_;  // of those that were found
  std::set<std::string> missed_;                            // by the last search
  std::map<std::string, WantedPod> wanted_;
  std::map<std::string, WantedPod> without_netns_;
  std::vector<Refusal> choice_refusals_;
  std::optional<Refusal> search_refusal_;
  std::vector<Refusal> refusals_;
  TimePoint last_search_;
  TimePoint next_search_;
  Clock::duration pause_{};
  Event waits_;  // there is something to look for at next_search_
};

}  // namespace aquifer::redirect
