// The flags of the agent that say where its pods come from. For main(), before the loop runs.
#pragma once

#include <memory>

#include "core/app/arguments.h"
#include "core/base/result.h"
#include "core/obs/log.h"
#include "redirect/pod_source.h"

namespace aquifer::redirect {

inline constexpr app::Flag kManifests = {"--manifests", "DIR"};
inline constexpr app::Flag kKubernetes = {"--kubernetes", "WHERE"};
inline constexpr app::Flag kExcludeNamespaces = {"--exclude-namespaces", "NAMES"};
inline constexpr app::Flag kProc = {"--proc", "PATH"};

// Refused if they make no sense together.
Result<void, Refusal> CheckSourceFlags(const app::Arguments& arguments);

// What they ask for, for the node of --node-name. With a `plugin` the container runtime says where
// network namespaces are. The log outlives the source.
Decoded<std::unique_ptr<PodSource>> SourceOf(const app::Arguments& arguments, bool plugin,
                                             obs::Logger& log);

}  // namespace aquifer::redirect
