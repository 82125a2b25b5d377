// /config_dump of the node proxy: the mesh it knows, what it was told, its certificates, its pods
// and their connections, under the keys that istioctl knows. Control loop.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "certs/store.h"
#include "mesh/snapshot.h"
#include "node-proxy/config.h"
#include "node-proxy/connection_view.h"
#include "redirect/zds.h"

namespace aquifer::node {

using PodsByUid = std::map<std::string, redirect::PodInfo>;

// `snapshot` may be null.
std::string DumpConfig(const Config& config, const mesh::Snapshot* snapshot,
                       const std::vector<certs::CertStatus>& certificates, const PodsByUid& pods,
                       const std::vector<ConnectionView>& connections);

}  // namespace aquifer::node
