// One pod's capture: opens its network namespace, keeps its rules in force and proven, and takes
// them away again. What it cannot do yet it says, and is asked again. Blocking system calls of a
// few milliseconds; one thread.
#pragma once

#include <string>

#include "core/base/result.h"
#include "redirect/pod.h"
#include "redirect/pod_source.h"
#include "redirect/rules.h"

namespace aquifer::redirect {

class Capture {
 public:
  enum class Change { kNone, kCaptured, kRepaired, kSandboxGone, kFailed };

  // Takes over what an earlier run left in the pod's namespace, if that is still there.
  void Adopt(const WantedPod& wanted);
  // What the pod should be; takes effect with the next Bring.
  void Want(const WantedPod& wanted);
  // Brings the namespace to the wanted state. Rules that are known to be in force are left alone.
  Change Bring(RuleVerifier& verifier);
  // Reads the rules back; what is not as it should be is put into force again.
  Change Verify(RuleVerifier& verifier);
  // Somebody else's namespace: nothing is done to it, not even at the end.
  void Refuse(std::string why);
  // The two steps of leaving: nothing new is captured, while what was captured can still end in
  // order; then the rules are taken out of the namespace. Ok also where the namespace is gone.
  Result<void, Refusal> LetPass();
  Result<void, Refusal> Release();

  const WantedPod& wanted() const { return wanted_; }
  bool verified() const { return verified_; }
  // Why it is not verified, or else what the last repair mended.
  const std::string& problem() const { return problem_; }
  // What it had when it was captured first.
  const Existing& existing() const { return existing_; }
  // The namespace that rules are in, if any.
  const NetnsRef& netns() const { return netns_; }
  // For the proxy. Has a namespace once it was verified.
  Pod pod() const { return {.uid = wanted_.uid, .info = wanted_.info, .netns = netns_}; }

 private:
  Change Fail(std::string problem);
  Change ApplyAndVerify(RuleVerifier& verifier, Change success);
  Result<void, Refusal> Apply();

  WantedPod wanted_;
  NetnsRef netns_;  // where rules are, or were tried to be
  RuleOptions applied_;
  // Rules were put into this namespace once: what is open there without them came to be in a gap,
  // and does not stay.
  bool entered_ = false;
  Existing existing_;
  bool verified_ = false;
  std::string problem_ = "not tried yet";
};

}  // namespace aquifer::redirect
