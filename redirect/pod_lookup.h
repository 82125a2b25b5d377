// What a source of pods knows of one that starts: whether it is to be captured, as its own labels
// and its namespace's say, and where its network namespace is once the container runtime has said
// so. A source often learns of a pod a moment later than the runtime; whoever asks asks again when
// the source has changed. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "redirect/netns.h"

namespace aquifer::redirect {

// Unknown while the pod of that UID or its namespace is not known: a verdict without one of them
// would let a pod of the mesh start outside of it.
enum class Verdict : std::uint8_t { kUnknown, kUnwanted, kWanted };

class PodLookup {
 public:
  virtual ~PodLookup() = default;
  // The runtime has made a sandbox for the pod, in place of any that it had; `netns` is what is at
  // `path`. From the next look on the pod is there, if it is wanted.
  virtual Verdict Place(const std::string& uid, const NetnsRef& netns, const std::string& path) = 0;
  // The runtime takes the sandbox at `path` down. False if the pod is in another one by now.
  virtual bool Displace(const std::string& uid, const std::string& path) = 0;
};

}  // namespace aquifer::redirect
