#include "cli/install/serving.h"

#include <algorithm>

#include "cli/cluster.h"

namespace aquifer::cli {
namespace {

std::int64_t NumberAt(const Json& object, std::initializer_list<std::string_view> path,
                      std::int64_t absent) {
  const Json* value = ValueAt(object, path);
  return value != nullptr && value->is_number_integer() ? value->get<std::int64_t>() : absent;
}

}  // namespace

Serving ServingOf(const Json& workload) {
  const bool daemon = TextAt(workload, {"kind"}) == "DaemonSet";
  const std::int64_t wanted = daemon ? NumberAt(workload, {"status", "desiredNumberScheduled"}, -1)
                                     : NumberAt(workload, {"spec", "replicas"}, 1);
  const std::int64_t updated =
      NumberAt(workload, {"status", daemon ? "updatedNumberScheduled" : "updatedReplicas"}, 0);
  const std::int64_t available =
      NumberAt(workload, {"status", daemon ? "numberAvailable" : "availableReplicas"}, 0);
  const bool seen = NumberAt(workload, {"status", "observedGeneration"}, 0) >=
                    NumberAt(workload, {"metadata", "generation"}, 1);
  if (!seen || wanted < 0) return {false, "not looked at yet"};
  const std::int64_t good = std::min(updated, available);
  return {good >= wanted, std::to_string(good) + " of " + std::to_string(wanted)};
}

bool SameButForWrites(Json before, Json after) {
  for (Json* object : {&before, &after}) {
    if (!object->is_object()) continue;
    object->erase("status");
    const auto metadata = object->find("metadata");
    if (metadata != object->end() && metadata->is_object()) metadata->erase("resourceVersion");
  }
  return before == after;
}

}  // namespace aquifer::cli
