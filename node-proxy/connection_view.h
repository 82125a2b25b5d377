// One open connection as the configuration dump shows it: a copy of what its session knows, made on
// the worker and read on the control loop. Keys and their meaning are those that istioctl reads.
#pragma once

#include <optional>
#include <string>

#include "core/base/address.h"
#include "core/obs/access_log.h"

namespace aquifer::node {

struct ConnectionView {
  // The captured pod.
  std::string pod;
  std::string pod_namespace;
  obs::Direction direction = obs::Direction::kOutbound;
  std::string source;
  // Of a connection that comes in: the service, if the client named one.
  std::optional<std::string> original_destination;
  std::string actual_destination;
  bool hbone = false;
};

}  // namespace aquifer::node
