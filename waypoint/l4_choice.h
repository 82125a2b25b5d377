// Where a route of connections or datagrams leads, for one of them. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>

#include "waypoint/config_model.h"

namespace aquifer::waypoint {

struct L4Choice {
  const L4Backend* backend = nullptr;  // of the route
  std::string nowhere;                 // why there is none, as the access log says it
};

// `route` may be null: none was found.
L4Choice ChooseBackend(const L4Route* route, std::uint64_t random);

}  // namespace aquifer::waypoint
