// What the control plane knows at one moment, in the form in which its servers use it. Made on the
// thread that reads manifests, handed to the servers' loop as a whole. Immutable; any thread.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control/object_set.h"
#include "control/reconcile/status.h"
#include "control/resources.h"
#include "control/tokens.h"

namespace aquifer::control {

struct Publication {
  std::shared_ptr<const ResourceTable> table;
  std::shared_ptr<const ObjectSet> objects;
  StatusMap statuses;
  std::set<Caller> callers;  // who needs a token
  // Documents that were refused, and objects that contradict each other.
  std::vector<std::string> problems;
  size_t kept = 0;  // objects that are no longer written anywhere, kept because of a refusal
};

using PublicationRef = std::shared_ptr<const Publication>;

}  // namespace aquifer::control
