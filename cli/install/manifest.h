// The plain manifests (manifests/aquifer.yaml) as they are built into the program, and the few
// values of the chart that can be set in them; for others there is the chart. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "kube/fields.h"

namespace aquifer::cli {

using kube::Json;

inline constexpr const char* kSystemNamespace = "aquifer-system";

std::string_view BuiltInManifest();

// The names that can be set, with blanks between.
std::string SettableNames();

// The objects in order, with `settings`, each KEY=VALUE. The refusal's field is the key.
Decoded<std::vector<Json>> ManifestObjects(std::string_view manifest,
                                           const std::vector<std::string>& settings);

}  // namespace aquifer::cli
