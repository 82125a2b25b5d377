// What the CNI plugin asks of the agent: a pod of the mesh is captured, proven and served before it
// starts. Rules come first, so that whatever is missing behind them, nothing is sent in the clear.
#include <tuple>
#include <utility>

#include "redirect/agent.h"

namespace aquifer::redirect {

Task<Decoded<bool>> Agent::Add(PluginRequest request, StopToken stop) {
  // Opened once: what is enrolled is the namespace that the runtime means, whatever is at that path
  // a moment later.
  Result<NetnsRef> netns = Netns::Open(request.netns);
  if (!netns) co_return Refusal{request.netns, Describe(netns.error())};
  const Decoded<bool> enrolled =
      co_await Enrol(std::move(request.uid), *std::move(netns), std::move(request.netns), stop);
  co_return enrolled;
}

// The runtime takes the sandbox down: no process is in it any more, and its rules end with it. They
// stay until then, so that nothing that might still be there gets past them.
Task<Decoded<bool>> Agent::Del(PluginRequest request, StopToken) {
  const std::string& uid = request.uid;
  if (!source_.Displace(uid, request.netns)) co_return false;
  server_.RemovePod(uid);
  captures_.erase(uid);
  leaving_.erase(uid);
  former_.erase(uid);
  wanted_.erase(uid);
  look_ = true;
  wake_.Set();
  co_return false;
}

Task<Decoded<bool>> Agent::Check(PluginRequest request, StopToken stop) {
  const auto capture = captures_.find(request.uid);
  if (capture != captures_.end()) {
    const Capture::Change change = capture->second.Verify(verifier_);
    if (change != Capture::Change::kNone) Follow(capture->second, change);
  }
  const Decoded<bool> enrolled = co_await Add(std::move(request), stop);
  co_return enrolled;
}

Task<Decoded<bool>> Agent::Enrol(std::string uid, NetnsRef netns, std::string path,
                                 StopToken stop) {
  Verdict verdict = source_.Place(uid, netns, path);
  while (verdict == Verdict::kUnknown && !stop.requested()) {
    std::ignore = co_await learnt_.Wait(stop);
    verdict = source_.Place(uid, netns, path);
  }
  if (verdict == Verdict::kUnknown)
    co_return Refusal{"pod", "the node agent does not know it, or its namespace, yet"};
  if (verdict == Verdict::kUnwanted) co_return false;
  AQ_CO_TRY_STATUS(Bring(uid, netns->id()));
  const Decoded<bool> served = co_await WaitUntilServed(std::move(uid), stop);
  co_return served;
}

// The whole of what is wanted is looked at: a pod that had this namespace before makes way.
Result<void, Refusal> Agent::Bring(const std::string& uid, const NetnsId& netns) {
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

}  // namespace aquifer::redirect
