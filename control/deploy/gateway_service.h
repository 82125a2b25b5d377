// The Service of a Gateway's deployment: a port for each of its listeners, of the type that the
// Gateway asks for. Pure; any thread.
#pragma once

#include "control/deploy/pod_template.h"

namespace aquifer::control {

// spec of the Service; refused where networking.istio.io/service-type is no type of a Service.
Result<Json, DeployProblem> ServiceSpec(const DeploymentParts& parts);

}  // namespace aquifer::control
