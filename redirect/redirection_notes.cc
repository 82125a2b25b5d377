#include "redirect/redirection_notes.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/rt/timer.h"
#include "kube/object_path.h"
#include "redirect/cluster_pod.h"

namespace aquifer::redirect {
namespace {

constexpr size_t kMaxAnswer = 8 << 20;  // the pod, as an event of a watch

// The pod has gone, or another has its name.
bool IsGone(int status) {
  return status == kube::kNotFound || status == kube::kConflict || status == kube::kGone;
}

}  // namespace

std::string WordOf(Redirection redirection) {
  switch (redirection) {
    case Redirection::kNone:
      return "";
    case Redirection::kPending:
      return "pending";
    case Redirection::kEnabled:
      return "enabled";
  }
  return "";
}

std::string RedirectionPatch(const std::string& uid, Redirection redirection) {
  const std::string word = WordOf(redirection);
  kube::Json patch;
  patch["metadata"]["uid"] = uid;
  kube::Json& annotation = patch["metadata"]["annotations"][std::string(kRedirectionAnnotation)];
  if (!word.empty()) annotation = word;  // null takes it away
  return patch.dump();
}

void RedirectionNotes::Observe(const std::map<std::string, Noted>& pods) {
  std::erase_if(notes_, [&](const auto& note) { return !pods.contains(note.first); });
  for (const auto& [uid, pod] : pods) notes_[uid].seen = pod;
  wake_.Set();
}

void RedirectionNotes::Want(const std::string& uid, Redirection redirection) {
  const auto found = notes_.find(uid);
  if (found == notes_.end()) return;
  Note& note = found->second;
  const bool enabled = note.wanted == Redirection::kEnabled ||
                       (!note.wanted && note.seen.text == WordOf(Redirection::kEnabled));
  if (redirection == Redirection::kPending && enabled) redirection = Redirection::kEnabled;
  if (note.wanted == redirection) return;
  note.wanted = redirection;
  note.next_try = Loop::Current().now();
  note.pause = {};
  wake_.Set();
}

std::optional<std::string> RedirectionNotes::Next() const {
  const std::pair<const std::string, Note>* next = nullptr;
  for (const auto& entry : notes_) {
    const Note& note = entry.second;
    if (!note.wanted || WordOf(*note.wanted) == note.seen.text) continue;
    if (next == nullptr || note.next_try < next->second.next_try) next = &entry;
  }
  if (next == nullptr) return std::nullopt;
  return next->first;
}

Task<void> RedirectionNotes::Run(StopToken stop) {
  while (!stop.requested()) {
    wake_.Reset();
    const std::optional<std::string> next = Next();
    if (!next) {
      std::ignore = co_await wake_.Wait(stop);
      continue;
    }
    const Clock::duration pause = notes_.at(*next).next_try - Loop::Current().now();
    if (pause > Clock::duration::zero()) {
      TimedStop timed(stop, pause, Reason::kTimeout);
      std::ignore = co_await wake_.Wait(timed.token());
      continue;
    }
    co_await Write(*next, stop);
  }
}

Task<void> RedirectionNotes::Write(std::string uid, StopToken stop) {
  Note& before = notes_.at(uid);
  const Noted pod = before.seen;
  const Redirection wanted = *before.wanted;
  before.pause = std::clamp(before.pause * 2, pace_.first_pause, pace_.longest_pause);
  kube::ApiRequest request;
  request.method = "PATCH";
  request.path = kube::ObjectPath("v1", "pods", pod.info.ns, pod.info.name) + "/status";
  request.content_type = "application/merge-patch+json";
  request.body = RedirectionPatch(uid, wanted);
  const Result<std::string, kube::ApiFailure> answer =
      co_await client_.Call(std::move(request), kMaxAnswer, pace_.timeout, stop);
  if (stop.requested()) co_return;
  const auto found = notes_.find(uid);
  if (found == notes_.end()) co_return;
  Note& note = found->second;
  note.next_try = Loop::Current().now() + note.pause;
  if (answer.ok()) {
    note.seen.text = WordOf(wanted);
  } else if (IsGone(answer.error().status)) {
    notes_.erase(found);
  } else {
    Failed(pod, answer.error());
  }
}

void RedirectionNotes::Failed(const Noted& pod, const kube::ApiFailure& failure) {
  log_.Limited(limiter_, obs::Level::kError, "agent", "a pod's annotation cannot be written",
               {{"pod", pod.info.ns + "/" + pod.info.name}, {"error", failure.ToString()}});
}

}  // namespace aquifer::redirect
