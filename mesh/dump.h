// A snapshot as JSON, for /config_dump: the keys and spellings that Istio's node proxy has and
// istioctl reads. Any thread.
#pragma once

#include <nlohmann/json.hpp>

#include "mesh/snapshot.h"

namespace aquifer::mesh {

// {"workloads": [...], "services": [...], "policies": [...], "stagedServices": {...}}
nlohmann::ordered_json DumpJson(const Snapshot& snapshot);

}  // namespace aquifer::mesh
