// What the answer to a CNI plugin depends on: whether a pod is to be captured, as its own labels
// and its namespace's say. A source of pods knows that, often a moment later than the container
// runtime; the agent asks again when the source has learnt something. One thread.
#pragma once

#include <optional>
#include <string>

#include "redirect/netns.h"
#include "redirect/rule_text.h"
#include "redirect/zds.h"

namespace aquifer::redirect {

struct WantedPod {
  std::string uid;
  PodInfo info;
  std::string netns;  // name or path
  RuleOptions rules;
  NetnsRef sandbox;  // that namespace, where the source holds it; else it is opened by `netns`
};

// As the container runtime names a pod.
struct PodKey {
  std::string ns;
  std::string name;
  std::string uid;
};

struct PodVerdict {
  bool enrolled = false;
  // Its uid is the one that the source tells the pod by. The namespace of its network may be
  // empty: the runtime says it.
  WantedPod pod;
};

class PodLookup {
 public:
  virtual ~PodLookup() = default;
  // Nothing while the pod of that uid or its namespace is not known: a verdict without one of them
  // would let a pod of the mesh start outside of it. An older pod of the same name is another one.
  virtual std::optional<PodVerdict> Find(const PodKey& key) const = 0;
};

}  // namespace aquifer::redirect
