#include "waypoint/l4_choice.h"

#include "waypoint/weighted.h"

namespace aquifer::waypoint {

L4Choice ChooseBackend(const L4Route* route, std::uint64_t random) {
  if (route == nullptr) return {nullptr, "route_not_found"};
  if (!route->refused.empty()) return {nullptr, "invalid_route{" + route->refused + "}"};
  const L4Backend* const backend = PickByWeight(route->backends, random);
  if (backend == nullptr) return {nullptr, "invalid_route{no backend}"};
  if (!backend->invalid.empty()) return {nullptr, "invalid_route{" + backend->invalid + "}"};
  return {backend, ""};
}

}  // namespace aquifer::waypoint
