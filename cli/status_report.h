// How the mesh stands: nodes with what serves them, enrolled namespaces and pods with the proof of
// their capture, waypoints with what is bound to them. Made from the objects as the control plane
// reads them and from our own pods. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/our_pods.h"
#include "cli/output.h"
#include "cli/why/model.h"

namespace aquifer::cli {

struct NodeStatus {
  std::string name;
  std::string agent;  // "ready", "not ready", "missing"
  std::string proxy;
  std::string version;  // of the node proxy
};

struct PodStatus {
  std::string name;  // "<namespace>/<name>"
  std::string node;
  // "captured": the node's agent has written that it proved it; "pending": it has begun, or the
  // labels ask for it and nothing is proven; "leaving": captured, and nobody asks for it any more.
  std::string capture;
};

struct NamespaceStatus {
  std::string name;
  size_t captured = 0;
  size_t wanted = 0;
};

struct WaypointStatus {
  std::string name;  // "<namespace>/<name>"
  std::string for_traffic;
  bool programmed = false;
  std::string why;  // where it is not
  std::vector<std::string> addresses;
  std::vector<std::string> bound;  // "Service shop/web"
};

struct StatusReport {
  std::vector<NodeStatus> nodes;
  std::vector<NamespaceStatus> namespaces;
  std::vector<PodStatus> pods;
  std::vector<WaypointStatus> waypoints;

  // Whether everything is as it is asked for.
  bool good() const;
};

StatusReport StatusOf(const Model& model, const std::vector<OurPod>& ours);
void Print(const StatusReport& report, Output& out);
OrderedJson DocumentOf(const StatusReport& report);

}  // namespace aquifer::cli
