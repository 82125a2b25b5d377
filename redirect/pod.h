// A pod as ZDS names it: what the node agent hands to the node proxy. A value; copies share the
// network namespace. Any thread.
#pragma once

#include <string>

#include "redirect/netns.h"
#include "redirect/zds.h"

namespace aquifer::redirect {

struct Pod {
  std::string uid;
  PodInfo info;
  // Only on the agent's side it may be missing: a pod whose namespace can no longer be opened, but
  // which a proxy that already holds it is to keep.
  NetnsRef netns;
};

// Whether the second names the same pod in the same sandbox, so that a proxy for the first serves
// it.
inline bool SameSandbox(const Pod& a, const Pod& b) {
  return a.uid == b.uid && a.info == b.info && a.netns->id() == b.netns->id();
}

}  // namespace aquifer::redirect
