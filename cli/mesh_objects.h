// The objects that the mesh is made from, as they are at one moment, and the settings by which the
// control plane makes it: read from a cluster or from a directory of manifests, by the control
// plane's own decoders. For commands that tell what the control plane would make of them.
#pragma once

#include <string>
#include <vector>

#include "cli/cluster.h"
#include "cli/command.h"
#include "control/object_set.h"
#include "control/reconcile/settings.h"
#include "control/source/observation.h"

namespace aquifer::cli {

struct MeshObjects {
  control::Observation seen;
  control::MeshSettings settings;
  std::vector<std::string> remarks;  // where the settings had to be guessed
};

// The flags of commands that use it: --manifests, --control-namespace and settings of the control
// plane.
std::vector<CommandFlag> MeshObjectsFlags();

// What the control plane refuses of the objects, a line each, beside the remarks; a few of many.
std::vector<std::string> RemarksOf(const MeshObjects& mesh);

// Of the directory that --manifests names.
Decoded<MeshObjects> ReadManifests(const Context& context);
// Settings are those of the Deployment aquifer-control, where it is there; flags go before them.
Task<Result<MeshObjects, std::string>> ReadMesh(const Context& context, Cluster& cluster,
                                                StopToken stop);

}  // namespace aquifer::cli
