// What the proxy holds, as stable JSON for operators and the command line: /config_dump. Control
// loop.
#pragma once

#include <string>
#include <vector>

#include "certs/store.h"
#include "mesh/snapshot.h"
#include "waypoint/rules.h"

namespace aquifer::waypoint {

// Pointers may be null: not known yet.
std::string DumpConfig(const Rules* rules, const mesh::Snapshot* mesh,
                       const std::vector<certs::CertStatus>& certificates);

}  // namespace aquifer::waypoint
