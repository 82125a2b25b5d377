// Objects in, resources and statuses out: the whole of what the control plane decides. Pure: the
// same objects and settings give the same bytes, so that a restart changes nothing for a client
// that reconnects.
#pragma once

#include <string>
#include <vector>

#include "control/object_set.h"
#include "control/reconcile/settings.h"
#include "control/reconcile/status.h"
#include "control/resources.h"

namespace aquifer::control {

struct Reconciled {
  ResourceDraft resources;
  StatusMap statuses;
  std::vector<std::string> warnings;  // about objects that contradict each other; one sentence each
};

Reconciled Reconcile(const ObjectSet& objects, const MeshSettings& settings);

}  // namespace aquifer::control
