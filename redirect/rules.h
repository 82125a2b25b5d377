// Capture of a pod: its rules and routes (and how long half-closed connections are tracked) put
// into force, taken away, and read back from the kernel as the proof that they hold. All act on the
// network namespace of the calling thread (Netns::Run).
#pragma once

#include <map>
#include <string>

#include "core/base/result.h"
#include "redirect/existing_connections.h"
#include "redirect/rule_text.h"

namespace aquifer::redirect {

// Puts exactly these rules into force, whatever was there. Packets see the old rules or the new
// ones, never a part. Again is the same as once.
Result<void, Refusal> ApplyRules(const RuleOptions& options);
// The same for a pod that comes into the mesh. Where rules are in force already it has no
// connections that would have to be kept: then it is ApplyRules.
Result<Existing, Refusal> ApplyFirstRules(const RuleOptions& options);
// Leaves nothing behind. Again is the same as once.
Result<void, Refusal> RemoveRules();
// The rules as the kernel holds them, with their counters.
Result<std::string, Refusal> ListRules();

// Compares what the kernel holds with what it should. How the kernel prints rules differs between
// versions, so the expectation is not written down: it is read back from an empty namespace, made
// for this once for each kind of rules, to which they have just been applied. One thread.
class RuleVerifier {
 public:
  // Refuses, naming it, the first thing that is missing or different.
  Result<void, Refusal> Verify(const RuleOptions& options);

 private:
  Result<std::string, Refusal> Expected(const RuleOptions& options);

  std::map<RuleOptions, std::string> expected_;
};

}  // namespace aquifer::redirect
