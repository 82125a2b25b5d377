#include "redirect/capture.h"

#include <cerrno>
#include <utility>

namespace aquifer::redirect {
namespace {

// Turns the two kinds of failure, not getting into the namespace and failing inside, into one.
template <class Inside>
Result<void, Refusal> RunIn(const Netns& netns, Inside&& inside) {
  Result<void, Refusal> done;
  const Status entered = netns.Run([&]() -> Status {
    done = inside();
    return {};
  });
  if (!entered) return Refusal{"namespace", Describe(entered.error())};
  return done;
}

Result<NetnsRef> SandboxOf(const WantedPod& pod) {
  if (pod.sandbox != nullptr) return pod.sandbox;
  return Netns::Open(pod.netns);
}

}  // namespace

void Capture::Adopt(const WantedPod& wanted) {
  wanted_ = wanted;
  if (Result<NetnsRef> netns = SandboxOf(wanted)) netns_ = *std::move(netns);
}

void Capture::Want(const WantedPod& wanted) { wanted_ = wanted; }

Capture::Change Capture::Fail(std::string problem) {
  verified_ = false;
  problem_ = std::move(problem);
  return Change::kFailed;
}

void Capture::Refuse(std::string why) {
  netns_.reset();
  Fail(std::move(why));
}

Capture::Change Capture::Bring(RuleVerifier& verifier) {
  Result<NetnsRef> netns = SandboxOf(wanted_);
  if (!netns) {
    const bool sandbox_gone = netns_ != nullptr && netns.error().os_error == ENOENT;
    Fail("namespace " + wanted_.netns + ": " + Describe(netns.error()));
    if (!sandbox_gone) return Change::kFailed;
    netns_.reset();  // the pod ended; a new one of this name gets a namespace of its own
    return Change::kSandboxGone;
  }
  const Result<NetnsRef> own = Netns::Current();
  if (!own || (*own)->id() == (*netns)->id()) {
    return Fail("namespace " + wanted_.netns + ": is the agent's own");
  }
  const bool same = netns_ != nullptr && netns_->id() == (*netns)->id();
  if (same && verified_ && applied_ == wanted_.rules) return Change::kNone;
  if (!same) {
    static_cast<void>(Release());  // the pod moved; what it left may be gone already
    entered_ = false;
  }
  netns_ = *std::move(netns);
  return ApplyAndVerify(verifier, Change::kCaptured);
}

Capture::Change Capture::Verify(RuleVerifier& verifier) {
  if (netns_ == nullptr || !verified_) return Change::kNone;
  const auto in_force = RunIn(*netns_, [&] { return verifier.Verify(applied_); });
  if (in_force) return Change::kNone;
  const Change change = ApplyAndVerify(verifier, Change::kRepaired);
  problem_ = in_force.error().ToString();
  return change;
}

Capture::Change Capture::ApplyAndVerify(RuleVerifier& verifier, Change success) {
  applied_ = wanted_.rules;
  const auto applied = Apply();
  if (!applied) return Fail(applied.error().ToString());
  const auto in_force = RunIn(*netns_, [&] { return verifier.Verify(applied_); });
  if (!in_force) return Fail("not in force: " + in_force.error().ToString());
  verified_ = true;
  problem_.clear();
  return success;
}

Result<void, Refusal> Capture::Apply() {
  if (entered_) return RunIn(*netns_, [&] { return ApplyRules(applied_); });
  return RunIn(*netns_, [&]() -> Result<void, Refusal> {
    AQ_TRY(existing_, ApplyFirstRules(applied_));
    entered_ = true;
    return {};
  });
}

Result<void, Refusal> Capture::LetPass() {
  if (netns_ == nullptr) return {};
  verified_ = false;
  problem_ = "leaves the mesh";
  return RunIn(*netns_, [] { return ApplyRules(kPassing); });
}

Result<void, Refusal> Capture::Release() {
  if (netns_ == nullptr) return {};
  return RunIn(*netns_, [] { return RemoveRules(); });
}

}  // namespace aquifer::redirect
