#include "redirect/cluster_source.h"

#include <algorithm>
#include <utility>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "kube/list_page.h"

namespace aquifer::redirect {
namespace {

// A kubelet takes some hundreds; the status file holds as many.
constexpr size_t kMaxPods = 4096;
constexpr size_t kMaxNamespaces = 100'000;
// How often the processes that were found are looked at again.
constexpr Clock::duration kCheckPeriod = std::chrono::seconds(1);

kube::KindSpec Pods(const std::string& node) {
  return {.group = "",
          .versions = {"v1"},
          .plural = "pods",
          .kind = "Pod",
          .query = "fieldSelector=" + kube::QueryValue("spec.nodeName=" + node)};
}

kube::KindSpec Namespaces() {
  return {.group = "", .versions = {"v1"}, .plural = "namespaces", .kind = "Namespace"};
}

// Whether it is a name that the runtime gave to that namespace.
bool Names(const std::string& path, const Netns& netns) {
  if (IsOfProcess(path)) return false;
  const Result<NetnsRef> named = Netns::Open(path);
  return named.ok() && (*named)->id() == netns.id();
}

std::string FieldOf(const PodInfo& pod) { return "Pod " + pod.ns + "/" + pod.name; }

}  // namespace

ClusterSource::ClusterSource(ClusterSourceOptions options, PodProcesses processes, obs::Logger& log,
                             std::uint64_t seed)
    : options_(std::move(options)),
      processes_(std::move(processes)),
      client_(options_.access, &certs::SystemWallTime),
      pods_(&ReadClusterPod, kMaxPods, objects_changed_),
      namespaces_(&ReadClusterNamespace, kMaxNamespaces, objects_changed_),
      pods_follower_(Pods(options_.node_name), client_, pods_, log, options_.follow, seed),
      namespaces_follower_(Namespaces(), client_, namespaces_, log, options_.follow, seed + 1),
      notes_(client_, log, options_.notes) {}

Task<void> ClusterSource::Follow(Event& changed, StopToken stop) {
  Scope tasks;
  tasks.Spawn(pods_follower_.Run(stop));
  tasks.Spawn(namespaces_follower_.Run(stop));
  tasks.Spawn(notes_.Run(stop));
  tasks.Spawn(Remind(changed, stop));
  while (co_await objects_changed_.Wait(stop)) {
    objects_changed_.Reset();
    stale_ = true;
    changed.Set();
  }
  co_await tasks.Join();
  co_await client_.Shutdown();
}

// Asks for another look when the next search is due.
Task<void> ClusterSource::Remind(Event& changed, StopToken stop) {
  while (co_await waits_.Wait(stop)) {
    waits_.Reset();
    const Clock::duration pause =
        std::max(next_search_ - Loop::Current().now(), Clock::duration::zero());
    TimedStop timed(stop, pause, Reason::kTimeout);
    const Status sooner = co_await waits_.Wait(timed.token());
    if (!sooner) changed.Set();
  }
}

void ClusterSource::Look() {
  const TimePoint now = Loop::Current().now();
  if (std::exchange(stale_, false) || objects_changed_.is_set()) Choose(now);
  if (now >= next_search_) Seek(now);
  Select();
}

void ClusterSource::Choose(TimePoint now) {
  complete_ = pods_.listed() && namespaces_.listed();
  choice_refusals_.clear();
  if (!pods_.problem().empty()) choice_refusals_.push_back({"pods", pods_.problem()});
  if (!namespaces_.problem().empty())
    choice_refusals_.push_back({"namespaces", namespaces_.problem()});
  chosen_.clear();
  std::map<std::string, RedirectionNotes::Noted> noted;
  for (const auto& [name, entry] : pods_.entries()) {
    if (entry.refusal) Refuse({.name = name.second, .ns = name.first}, *entry.refusal);
    if (!entry.object) continue;
    const PodManifest& pod = entry.object->pod;
    noted.emplace(pod.uid, RedirectionNotes::Noted{pod.info, entry.object->redirection});
    if (!IsChosen(*entry.object)) continue;
    if (entry.object->doubt) Refuse(pod.info, *entry.object->doubt);
    chosen_.emplace(pod.uid, Chosen{WantedOf(pod), entry.object->running});
  }
  notes_.Observe(noted);
  if (complete_)
    std::erase_if(sandboxes_, [&](const auto& known) { return !chosen_.contains(known.first); });
  // A change of a pod may mean that its namespace is there now.
  pause_ = {};
  next_search_ = std::max(now, last_search_ + options_.first_pause);
}

bool ClusterSource::IsChosen(const ClusterPod& pod) const {
  const std::string& ns = pod.pod.info.ns;
  if (pod.ended || options_.excluded_namespaces.contains(ns)) return false;
  const auto found = namespaces_.entries().find({"", ns});
  const bool known = found != namespaces_.entries().end() && found->second.object;
  const std::string* const mode =
      known && found->second.object->mode ? &*found->second.object->mode : nullptr;
  return IsEnrolled(pod.pod, mode, options_.node_name);
}

void ClusterSource::Refuse(const PodInfo& pod, const Refusal& refusal) {
  choice_refusals_.push_back({FieldOf(pod), refusal.ToString()});
}

WantedPod ClusterSource::WantedOf(const PodManifest& pod) const {
  WantedPod wanted;
  wanted.uid = pod.uid;
  wanted.info = pod.info;
  wanted.rules = {.inbound = !pod.bypass_inbound, .dns = options_.dns && pod.dns_capture};
  return wanted;
}

std::optional<PodVerdict> ClusterSource::Find(const PodKey& key) const {
  const auto found = pods_.entries().find({key.ns, key.name});
  if (!complete_ || found == pods_.entries().end() || !found->second.object) return std::nullopt;
  const ClusterPod& pod = *found->second.object;
  const auto ns = namespaces_.entries().find({"", key.ns});
  const bool known = ns != namespaces_.entries().end() && ns->second.object;
  const bool same = pod.pod.uid == key.uid || (!key.uid.empty() && pod.static_uid == key.uid);
  if (!known || !same || pod.pod.node != options_.node_name) return std::nullopt;
  return PodVerdict{.enrolled = IsChosen(pod), .pod = WantedOf(pod.pod)};
}

// A pod that has no process at the moment keeps the namespace it had: a runtime may let go of all
// of them between two runs of a container.
void ClusterSource::Seek(TimePoint now) {
  std::set<std::string> sought;
  for (const auto& [uid, chosen] : chosen_) {
    const auto known = sandboxes_.find(uid);
    if (known == sandboxes_.end() || !processes_.IsOf(uid, known->second.pid)) sought.insert(uid);
  }
  missed_.clear();
  search_refusal_.reset();
  last_search_ = now;
  if (sought.empty()) {
    pause_ = {};
    next_search_ = now + kCheckPeriod;
    return;
  }
  pause_ = std::clamp(pause_ * 2, options_.first_pause, options_.longest_pause);
  next_search_ = now + pause_;
  const auto found = processes_.Find(sought);
  if (!found) {
    search_refusal_ = found.error();
    return;
  }
  for (const std::string& uid : sought) {
    const auto process = found->find(uid);
    if (process != found->end()) {
      sandboxes_[uid] = process->second;
    } else {
      missed_.insert(uid);
    }
  }
}

void ClusterSource::Select() {
  refusals_ = choice_refusals_;
  if (search_refusal_) refusals_.push_back(*search_refusal_);
  wanted_.clear();
  without_netns_.clear();
  for (const auto& [uid, chosen] : chosen_) {
    const auto sandbox = sandboxes_.find(uid);
    if (sandbox == sandboxes_.end()) {
      waits_.Set();
      without_netns_.emplace(uid, chosen.pod);
      if (chosen.running && missed_.contains(uid))
        refusals_.push_back({FieldOf(chosen.pod.info), "none of its processes is found"});
      continue;
    }
    WantedPod& pod = wanted_.emplace(uid, chosen.pod).first->second;
    pod.netns = sandbox->second.path;
    pod.sandbox = sandbox->second.netns;
  }
}

// The numbers of processes that the earlier run wrote down may be those of others by now. A name
// that the runtime gave a namespace stays that one's, and is what it will tell the end of.
std::vector<WantedPod> ClusterSource::Recover(std::vector<WantedPod> former) {
  std::set<std::string> uids;
  for (const WantedPod& pod : former) uids.insert(pod.uid);
  const auto found = processes_.Find(uids);
  std::vector<WantedPod> recovered;
  for (WantedPod& pod : former) {
    if (found && found->contains(pod.uid)) {
      const PodProcesses::Process& process = found->at(pod.uid);
      sandboxes_[pod.uid] = process;
      if (!Names(pod.netns, *process.netns)) pod.netns = process.path;
      pod.sandbox = process.netns;
    } else if (IsOfProcess(pod.netns)) {
      continue;
    }
    recovered.push_back(std::move(pod));
  }
  return recovered;
}

}  // namespace aquifer::redirect
