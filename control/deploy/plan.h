// From a Gateway to the objects that it is deployed as: ServiceAccount, Deployment and Service, and
// a HorizontalPodAutoscaler and a PodDisruptionBudget where an overlay speaks of them. All belong
// to the Gateway, so that they go with it. Also the ConfigMap with the mesh's root. Pure; any
// thread.
#pragma once

#include <span>
#include <vector>

#include "control/deploy/parameters.h"
#include "control/deploy/pod_template.h"

namespace aquifer::control {

// `overlays` are applied in their order: the class's, then the Gateway's.
Result<std::vector<WantedObject>, DeployProblem> PlanGateway(
    const DeploymentParts& parts, std::span<const Overlays* const> overlays);

WantedObject RootConfigMap(const std::string& namespace_name, const std::string& name,
                           const std::string& roots_pem);

}  // namespace aquifer::control
