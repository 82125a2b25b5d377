// What the CNI plugin asks of the agent: a pod of the mesh is captured, proven and served before it
// starts. Rules come first, so that whatever is missing behind them, nothing is sent in the clear.
#include <tuple>
#include <utility>

#include "redirect/agent.h"

namespace aquifer::redirect {
namespace {

PodKey KeyOf(const PluginRequest& request) {
  return {.ns = request.ns, .name = request.name, .uid = request.uid};
}

}  // namespace

Task<Decoded<bool>> Agent::Add(PluginRequest request, StopToken stop) {
  PodKey key = KeyOf(request);
  const Decoded<PodVerdict> verdict = co_await WaitForVerdict(std::move(key), stop);
  if (!verdict) co_return verdict.error();
  const std::string uid = verdict->pod.uid;
  AQ_CO_TRY_STATUS(sandboxes_.Add(uid, request.netns, request.container_id));
  if (!verdict->enrolled) co_return false;
  const Result<NetnsRef> netns = Netns::Open(request.netns);
  if (!netns) co_return Refusal{request.netns, Describe(netns.error())};
  AQ_CO_TRY_STATUS(BringNow(uid, (*netns)->id()));
  const Decoded<bool> served = co_await WaitUntilServed(uid, stop);
  co_return served;
}

// The runtime takes the sandbox down: no process is in it any more, and its rules end with it. They
// stay until then, so that nothing that might still be there gets past them.
Task<Decoded<bool>> Agent::Del(PluginRequest request, StopToken) {
  const std::optional<std::string> uid = sandboxes_.PodOf(request.netns, request.container_id);
  if (uid) Forget(*uid);
  co_return false;
}

Task<Decoded<bool>> Agent::Check(PluginRequest request, StopToken stop) {
  PodKey key = KeyOf(request);
  const Decoded<PodVerdict> verdict = co_await WaitForVerdict(std::move(key), stop);
  if (!verdict) co_return verdict.error();
  if (!verdict->enrolled) co_return false;
  const auto capture = captures_.find(verdict->pod.uid);
  if (capture == captures_.end()) co_return Refusal{"capture", "the pod is not captured"};
  const Capture::Change change = capture->second.Verify(verifier_);
  if (change != Capture::Change::kNone) Follow(capture->second, change);
  if (!capture->second.verified()) co_return Refusal{"capture", capture->second.problem()};
  co_return true;
}

// The source may hear of a pod later than the runtime starts it.
Task<Decoded<PodVerdict>> Agent::WaitForVerdict(PodKey key, StopToken stop) {
  bool looked = false;
  while (true) {
    if (std::optional<PodVerdict> verdict = source_->Find(key)) co_return *std::move(verdict);
    if (stop.requested()) break;
    if (!std::exchange(looked, true)) {
      look_ = true;
      wake_.Set();
    }
    std::ignore = co_await learnt_.Wait(stop);
  }
  co_return Refusal{"pod", "the node agent does not know it, or its namespace, yet"};
}

// The whole of what is wanted is looked at: a pod that had this namespace before makes way. What
// counts is the namespace that the runtime means, not that something is captured for the pod.
Result<void, Refusal> Agent::BringNow(const std::string& uid, const NetnsId& netns) {
  Look();
  const auto capture = captures_.find(uid);
  if (capture == captures_.end() || !wanted_.contains(uid))
    return Refusal{"pod", "has just changed"};
  if (!capture->second.verified()) return Refusal{"capture", capture->second.problem()};
  if (capture->second.netns()->id() != netns)
    return Refusal{"capture", "is of another network namespace"};
  return {};
}

Task<Decoded<bool>> Agent::WaitUntilServed(std::string uid, StopToken stop) {
  while (true) {
    const ZdsAgent::PodStanding standing = server_.StandingOf(uid);
    if (standing.standing == ZdsAgent::Standing::kServed) co_return true;
    if (standing.standing == ZdsAgent::Standing::kFailed)
      co_return Refusal{"node proxy", "does not serve the pod: " + standing.error};
    if (stop.requested()) break;
    std::ignore = co_await server_.progress().Wait(stop);
  }
  const char* const why =
      server_.proxies() == 0 ? "none is there on this node" : "has not answered";
  co_return Refusal{"node proxy", why};
}

void Agent::Forget(const std::string& uid) {
  sandboxes_.Remove(uid);
  source_->Tell(uid, Redirection::kNone);
  source_->Drop(uid);
  server_.RemovePod(uid);
  captures_.erase(uid);
  leaving_.erase(uid);
  former_.erase(uid);
  wanted_.erase(uid);
  look_ = true;
  wake_.Set();
}

// Into what is wanted, the namespaces that the runtime has told.
void Agent::PutSandboxes() {
  for (auto& [uid, pod] : wanted_) {
    sandboxes_.RemoveIfGone(uid);
    std::string netns = sandboxes_.NetnsOf(uid, pod.netns);
    if (netns == pod.netns) continue;
    pod.netns = std::move(netns);
    pod.sandbox = nullptr;
  }
  for (const auto& [uid, pod] : source_->without_netns()) {
    sandboxes_.RemoveIfGone(uid);
    WantedPod wanted = pod;
    wanted.netns = sandboxes_.NetnsOf(uid, "");
    if (!wanted.netns.empty()) wanted_.emplace(uid, std::move(wanted));
  }
}

}  // namespace aquifer::redirect
