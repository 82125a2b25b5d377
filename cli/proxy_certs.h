// When certificates end: those of the proxies by their metrics, the roots by the ConfigMap from
// which the mesh takes them. Values; the Loop's thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/our_pods.h"

namespace aquifer::cli {

struct ProxyCerts {
  OurPod pod;
  std::string problem;  // why its metrics are not there
  std::optional<double> available;
  std::optional<double> initializing;
  std::optional<double> unavailable;
  std::optional<double> soonest;  // end of the first that ends, in seconds since 1970
};

struct Root {
  std::string serial_number;
  double end = 0;  // in seconds since 1970
};

struct Roots {
  std::vector<Root> roots;
  std::string problem;  // why they are not known
};

// RFC 3339; "" for what is no time.
std::string EndText(const std::optional<double>& seconds);

// Of the node proxies and waypoints among `pods`, asked through the API server, several at once.
Task<std::vector<ProxyCerts>> ReadProxyCerts(Cluster& cluster, const std::vector<OurPod>& pods,
                                             StopToken stop);
Task<Roots> ReadRoots(Cluster& cluster, std::string name_space, StopToken stop);

// Of the PEM of a ConfigMap.
Roots RootsOf(const std::string& pem);

}  // namespace aquifer::cli
