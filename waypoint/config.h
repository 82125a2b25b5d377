// Every setting of the program. They come from the environment under the names that Istio's node
// proxy uses where it has one; config.cc holds one row a setting, proxy/settings.h those that a
// node proxy has too. Read once, checked whole before anything listens. Values, any thread after
// that.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "proxy/settings.h"

namespace aquifer::waypoint {

// pod_namespace is the Gateway's namespace too, service_account our identity.
struct Config : proxy::CommonSettings {
  std::string gateway_name;  // the Gateway we serve
  std::uint16_t hbone_port = 15008;
  std::string stats_address;  // where metrics and readiness listen; empty: everywhere
  bool access_log = true;
};

// The refusal's field is the variable.
Decoded<proxy::Loaded<Config>> LoadConfig(const app::Environment& environment);

}  // namespace aquifer::waypoint
