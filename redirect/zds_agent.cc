#include "redirect/zds_agent.h"

#include <algorithm>

#include "core/base/check.h"

namespace aquifer::redirect {

std::optional<ZdsAgent::Outgoing> ZdsAgent::Next(const PodTable& pods, ProxyRole role,
                                                 TimePoint now) {
  AQ_CHECK(!outstanding_);
  if (std::optional<Outgoing> del = NextDel(pods)) return del;
  // An older proxy that never got to the end of its snapshot would never become ready to drain.
  if (role == ProxyRole::kNewest || !snapshot_sent_) {
    if (std::optional<Outgoing> next = NextAddOrKeep(pods, now)) return next;
  }
  if (snapshot_sent_) return std::nullopt;
  outstanding_ = Outstanding{Kind::kSnapshot, ""};
  const ZdsRequest request = SnapshotSent{};
  return Outgoing{.packet = *EncodeRequest(request), .word = RequestWord(request)};
}

std::optional<ZdsAgent::Outgoing> ZdsAgent::NextDel(const PodTable& pods) {
  for (auto told = told_.begin(); told != told_.end();) {
    const std::string& uid = told->first;
    if (pods.contains(uid)) {
      ++told;
      continue;
    }
    const ZdsRequest request = DelPod{uid};
    Decoded<std::string> packet = EncodeRequest(request);
    if (packet) {
      outstanding_ = Outstanding{Kind::kDel, uid};
      return Outgoing{.packet = *std::move(packet), .word = RequestWord(request), .uid = uid};
    }
    told = told_.erase(told);  // no packet can carry this uid, so the proxy was never told of it
  }
  return std::nullopt;
}

bool ZdsAgent::NeedsAdd(const Pod& pod, TimePoint now) const {
  const auto found = told_.find(pod.uid);
  if (found == told_.end()) return true;
  const Told& told = found->second;
  if (told.info != pod.info) return true;
  if (told.standing == Standing::kFailed && now >= told.retry_at) return true;
  if (pod.netns == nullptr) return false;
  return told.netns == nullptr || told.netns->id() != pod.netns->id();
}

std::optional<ZdsAgent::Outgoing> ZdsAgent::NextAddOrKeep(const PodTable& pods, TimePoint now) {
  for (const auto& [uid, pod] : pods) {
    AQ_CHECK(uid == pod.uid);
    if (!NeedsAdd(pod, now)) continue;
    // A Keep is only legal inside the snapshot; later there is nothing to say about such a pod.
    if (pod.netns == nullptr && snapshot_sent_) continue;
    if (std::optional<Outgoing> next = AddOrKeep(pod)) return next;
  }
  return std::nullopt;
}

std::optional<ZdsAgent::Outgoing> ZdsAgent::AddOrKeep(const Pod& pod) {
  const bool add = pod.netns != nullptr;
  ZdsRequest request = KeepPod{pod.uid};
  if (add) request = AddPod{.uid = pod.uid, .info = pod.info, .netns = UniqueFd()};
  Told& told = told_[pod.uid];
  told = Told{.netns = pod.netns, .info = pod.info};
  Decoded<std::string> packet = EncodeRequest(request);
  if (!packet) {
    told.standing = Standing::kFailed;
    told.error = packet.error().ToString();
    told.retry_at = TimePoint::max();
    unsendable_.push_back(Outcome{pod.uid, add, told.error});
    return std::nullopt;
  }
  outstanding_ = Outstanding{add ? Kind::kAdd : Kind::kKeep, pod.uid};
  return Outgoing{.packet = *std::move(packet),
                  .netns = pod.netns,
                  .word = RequestWord(request),
                  .uid = pod.uid};
}

ZdsAgent::Outcome ZdsAgent::Acknowledged(std::string error, TimePoint now) {
  AQ_CHECK(outstanding_.has_value());
  const Outstanding answered = *std::move(outstanding_);
  outstanding_.reset();
  Outcome outcome{answered.uid, answered.kind == Kind::kAdd, std::move(error)};
  switch (answered.kind) {
    case Kind::kAdd:
    case Kind::kKeep: {
      Told& told = told_[answered.uid];
      told.standing = outcome.error.empty() ? Standing::kServed : Standing::kFailed;
      told.error = outcome.error;
      told.retry_at = now + kRetryAfter;
      break;
    }
    case Kind::kDel:
      told_.erase(answered.uid);
      break;
    case Kind::kSnapshot:
      snapshot_sent_ = true;
      break;
  }
  return outcome;
}

ZdsAgent::PodStanding ZdsAgent::StandingOf(const Pod& pod) const {
  const auto found = told_.find(pod.uid);
  if (found == told_.end()) return {};
  const Told& told = found->second;
  const bool same_netns =
      pod.netns == nullptr || (told.netns != nullptr && told.netns->id() == pod.netns->id());
  if (told.info != pod.info || !same_netns) return {};
  return {told.standing, told.error};
}

TimePoint ZdsAgent::retry_at() const {
  TimePoint earliest = TimePoint::max();
  for (const auto& [uid, told] : told_) {
    if (told.standing == Standing::kFailed) earliest = std::min(earliest, told.retry_at);
  }
  return earliest;
}

}  // namespace aquifer::redirect
