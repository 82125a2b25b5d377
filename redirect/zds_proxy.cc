#include "redirect/zds_proxy.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace aquifer::redirect {

void ZdsProxy::OnConnected() {
  connected_ = true;
  snapshot_complete_ = false;
  mentioned_.clear();
}

ZdsProxy::Steps ZdsProxy::OnAdd(Pod pod) {
  const Result<void, Refusal> usable = CheckPodInfo(pod.info);
  if (!usable) return OnUnusableAdd(pod.uid, usable.error().ToString());
  if (!snapshot_complete_) mentioned_.insert(pod.uid);
  Steps steps;
  Entry& entry = pods_[pod.uid];
  if (entry.running) {
    if (SameSandbox(entry.pod, pod)) return steps;
    steps.stop.push_back(pod.uid);  // the sandbox was replaced: the old one has no traffic any more
  }
  entry = Entry{.pod = pod};
  steps.start = std::move(pod);
  return steps;
}

ZdsProxy::Steps ZdsProxy::OnUnusableAdd(const std::string& uid, std::string why) {
  if (!snapshot_complete_) mentioned_.insert(uid);
  Steps steps;
  steps.error = std::move(why);
  return steps;
}

Decoded<ZdsProxy::Steps> ZdsProxy::OnKeep(const std::string& uid) {
  if (snapshot_complete_) return Refusal{"keep", "came after the snapshot"};
  mentioned_.insert(uid);
  return Steps();
}

ZdsProxy::Steps ZdsProxy::OnDel(const std::string& uid) {
  Steps steps;
  mentioned_.erase(uid);
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return steps;
  // Before the snapshot is complete a running pod only loses its mention: it ends with the others
  // that the snapshot leaves out.
  if (found->second.running) {
    if (!snapshot_complete_) return steps;
    steps.stop.push_back(uid);
  }
  pods_.erase(found);
  return steps;
}

Decoded<ZdsProxy::Steps> ZdsProxy::OnSnapshotSent() {
  if (snapshot_complete_) return Refusal{"snapshot_sent", "came twice"};
  Steps steps;
  for (auto entry = pods_.begin(); entry != pods_.end();) {
    if (mentioned_.contains(entry->first)) {
      ++entry;
      continue;
    }
    if (entry->second.running) steps.stop.push_back(entry->first);
    entry = pods_.erase(entry);
  }
  mentioned_.clear();
  snapshot_complete_ = true;
  return steps;
}

void ZdsProxy::Started(const std::string& uid) {
  const auto found = pods_.find(uid);
  AQ_CHECK(found != pods_.end());
  found->second.running = true;
}

void ZdsProxy::FailedToStart(const std::string& uid) {
  const auto found = pods_.find(uid);
  AQ_CHECK(found != pods_.end());
  AQ_CHECK(!found->second.running);
}

std::vector<Pod> ZdsProxy::Pending() const {
  std::vector<Pod> pending;
  for (const auto& [uid, entry] : pods_) {
    if (!entry.running) pending.push_back(entry.pod);
  }
  return pending;
}

size_t ZdsProxy::running() const {
  return static_cast<size_t>(std::count_if(pods_.begin(), pods_.end(),
                                           [](const auto& item) { return item.second.running; }));
}

bool ZdsProxy::ready() const { return connected_ && snapshot_complete_ && pending() == 0; }

}  // namespace aquifer::redirect
