// The pods that Aquifer itself consists of on a cluster, found by the labels that the chart and the
// deployer give them. Values; the Loop's thread.
#pragma once

#include <string>
#include <vector>

#include "cli/cluster.h"

namespace aquifer::cli {

struct OurPod {
  std::string part;  // "node", "cni", "control", "waypoint"
  std::string name_space;
  std::string name;
  std::string node;
  std::string gateway;    // of a waypoint or ingress gateway: the Gateway's name
  std::string container;  // its first
  std::string version;    // the image's tag or digest; empty: it has none
  bool ready = false;

  std::string ToString() const { return name_space + "/" + name; }
};

// One item of a list.
OurPod ReadOurPod(const Json& pod);

// In the order of part, node and name.
Task<Answer<std::vector<OurPod>>> ListOurPods(Cluster& cluster, StopToken stop);

}  // namespace aquifer::cli
