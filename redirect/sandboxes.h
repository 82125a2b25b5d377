// Where pods' network namespaces are, as the container runtime has told through the CNI plugin: it
// knows for certain and before anybody else. Whether a pod is in the mesh does not matter here, for
// it may come into it later. Bounded; one thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace aquifer::redirect {

class Sandboxes {
 public:
  static constexpr size_t kMost = 4096;

  // What an earlier run of the agent knew: worth less than what a manifest says.
  void Remember(const std::string& uid, const std::string& netns);
  // The runtime has made a sandbox for the pod, in place of any that it had. Beyond the bound any
  // other one is forgotten.
  void Add(const std::string& uid, const std::string& netns);
  // The runtime takes that sandbox down. False if it is not the one that the pod is in.
  bool Remove(const std::string& uid, const std::string& netns);

  // Where the pod's namespace is; `manifest` is where a manifest says it is, if it says so. Empty
  // if nobody knows.
  std::string NetnsOf(const std::string& uid, const std::string& manifest) const;
  size_t size() const { return sandboxes_.size(); }

 private:
  struct Sandbox {
    std::string netns;
    bool told = false;  // by the runtime, to this run
  };

  void MakeRoom();

  std::map<std::string, Sandbox> sandboxes_;  // by the pod's uid
};

}  // namespace aquifer::redirect
