// Where pods' network namespaces are, as the container runtime has told through the CNI plugin: it
// knows for certain and before anybody else. Whether a pod is in the mesh does not matter here, for
// it may come into it later. Bounded; one thread.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "core/base/result.h"

namespace aquifer::redirect {

class Sandboxes {
 public:
  static constexpr size_t kMost = 4096;

  // What an earlier run of the agent knew: worth less than what a source of pods says, unless it is
  // `certain` that both are one namespace.
  void Remember(const std::string& uid, const std::string& netns, bool certain = false);
  // The runtime has made a sandbox for the pod, in place of any that it had.
  Result<void, Refusal> Add(const std::string& uid, const std::string& netns,
                            const std::string& container_id);
  // The pod whose sandbox the runtime takes down; nothing if its pod has another by now.
  std::optional<std::string> PodOf(const std::string& netns, const std::string& container_id) const;
  void Remove(const std::string& uid) { sandboxes_.erase(uid); }
  // Its end was not told: what a source says counts again.
  void RemoveIfGone(const std::string& uid);

  // Where the pod's namespace is; `source` is where a source of pods says it is, if it says so.
  // Empty if nobody knows.
  std::string NetnsOf(const std::string& uid, const std::string& source) const;
  size_t size() const { return sandboxes_.size(); }

 private:
  struct Sandbox {
    std::string netns;
    std::string container_id;  // empty for one that is remembered
    bool certain = true;
  };

  void RemoveGone();

  std::map<std::string, Sandbox> sandboxes_;  // by the pod's uid
};

}  // namespace aquifer::redirect
