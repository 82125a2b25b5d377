// What an uninstallation makes and looks for. Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "kube/fields.h"

namespace aquifer::cli {

using kube::Json;

// Runs once on each node and takes the plugin out of its configuration, as the agent's DaemonSet
// says where that is; on no node until its nodeSelector changes.
Decoded<Json> LeaveDaemonSet(const Json& agent);

// Names of pods that are captured, a few of them; empty: none is.
std::string CapturedPods(const std::vector<Json>& pods);

// Nodes where the plugin still is, as far as they have a pod of aquifer-leave by now; empty: none.
std::string NodesNotLeft(const Json& leave, const std::vector<Json>& pods);

// Objects of a kind that came with Aquifer, or that it made.
struct Removal {
  const char* api_version;
  const char* kind;
  const char* query;  // of the list
};
std::span<const Removal> Removals();
// GatewayClasses are known by their controller.
bool IsOurs(const Removal& removal, const Json& object);

}  // namespace aquifer::cli
