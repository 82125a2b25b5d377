// /config_dump of the node proxy: the mesh it knows, what it was told, its certificates and its
// pods, under the keys that istioctl knows. Control loop.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "certs/store.h"
#include "mesh/snapshot.h"
#include "node-proxy/config.h"

namespace aquifer::node {

// `snapshot` may be null.
std::string DumpConfig(const Config& config, const mesh::Snapshot* snapshot,
                       const std::vector<certs::CertStatus>& certificates,
                       const std::set<std::string>& pods);

}  // namespace aquifer::node
