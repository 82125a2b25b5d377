// Whether certificates of a mesh are near their end, each finding with its cure. Pure; any thread.
#pragma once

#include <vector>

#include "cli/check/judge.h"
#include "cli/proxy_certs.h"

namespace aquifer::cli {

// `now` is in seconds since 1970. An old root that ends beside a later one is as it should be.
Finding JudgeRoots(const Roots& roots, double now);
// One line for all proxies, or one for each kind of trouble.
std::vector<Finding> JudgeProxyCerts(const std::vector<ProxyCerts>& proxies, double now);

}  // namespace aquifer::cli
