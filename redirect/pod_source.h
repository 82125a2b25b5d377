// Where the agent learns which pods of this node are to be captured, and whom it tells what has
// become of them: a directory of manifests or the API server of a cluster. Owned by the agent; one
// thread: its Loop's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/rt/event.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "redirect/pod_lookup.h"

namespace aquifer::redirect {

// How far a pod has come: pending is captured without a proxy that serves it.
enum class Redirection : std::uint8_t { kNone, kPending, kEnabled };

class PodSource : public PodLookup {
 public:
  // Before the first look, so that no change after it is missed.
  virtual void Arm() {}
  virtual void Look() = 0;
  // Sets `changed` when another look is worth it. Until stopped.
  virtual Task<void> Follow(Event& changed, StopToken stop) = 0;

  // By uid, as of the last look.
  virtual const std::map<std::string, WantedPod>& wanted() const = 0;
  // Those that are to be captured as well and whose network namespace is not known here.
  virtual const std::map<std::string, WantedPod>& without_netns() const = 0;
  virtual const std::vector<Refusal>& refusals() const = 0;
  // Whether the last look saw everything, so that what it lacks is really gone.
  virtual bool complete() const = 0;
  // Whether there was anything to look at yet. Before that, proxies would be told of too few pods.
  virtual bool answered() const = 0;

  // Of the pods that an earlier run had captured those whose namespace can be found, with that.
  virtual std::vector<WantedPod> Recover(std::vector<WantedPod> former) { return former; }
  // The runtime has taken down the network namespace of that pod.
  virtual void Drop(const std::string& /*uid*/) {}
  // What has become of a pod that was captured.
  virtual void Tell(const std::string& /*uid*/, Redirection /*redirection*/) {}
};

}  // namespace aquifer::redirect
