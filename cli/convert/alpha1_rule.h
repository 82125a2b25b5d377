// One rule of a route of networking.x-k8s.io/v1alpha1: what it matches, its filters, where it
// sends. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "cli/convert/edit.h"
#include "core/base/result.h"

namespace aquifer::cli {

// `kind` is that of the route, `path` that of the rule in it. Matches of a TLSRoute are left to
// whoever makes its host names of them.
Result<void, Refusal> MendRule(OrderedJson& rule, const std::string& kind, const std::string& path,
                               std::vector<std::string>& remarks);

// The core group of a reference was also written "core".
void MendGroup(OrderedJson& reference);

}  // namespace aquifer::cli
