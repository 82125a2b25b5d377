// A strategic merge patch (Kubernetes, "Update API Objects in Place") on an object of ours: what an
// operator changes of a deployment. Mappings are merged, null takes away, lists whose elements have
// a key are merged by it, `$patch: delete` and `$patch: replace` are followed. What would turn a
// mapping into something else is refused, so that the result can be relied on to have the shape of
// its target. Pure; any thread.
#pragma once

#include "control/kube/values.h"

namespace aquifer::control {

// `target` is undefined after a refusal, whose field is the path in the patch. Both are mappings.
Result<void, Refusal> StrategicMerge(Json& target, const Json& patch);

}  // namespace aquifer::control
