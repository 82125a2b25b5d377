// The pod that serves a Gateway, as spec.template of its Deployment: aquifer-waypoint with what it
// has to be told (docs/settings.md) and with no more rights than it needs. Pure; any thread.
#pragma once

#include "control/deploy/names.h"
#include "control/deploy/settings.h"

namespace aquifer::control {

// All that a deployment is made from but the operator's overlays. A view.
struct DeploymentParts {
  const Gateway& gateway;
  GatewayRole role;
  const DeploymentNames& names;
  const DeploySettings& settings;
  const MeshSettings& mesh;
};

// What the Gateway hands on to its objects: spec.infrastructure's, else its own.
Labels CopiedLabels(const Gateway& gateway);
Labels CopiedAnnotations(const Gateway& gateway);
// gateway.istio.io/managed and the Gateway's name.
Labels MarksOf(const Gateway& gateway);

Json PodTemplate(const DeploymentParts& parts);

}  // namespace aquifer::control
