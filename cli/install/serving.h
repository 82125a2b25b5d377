// Whether the workloads of an installation serve, from what the API server says of them. Pure; any
// thread.
#pragma once

#include <string>

#include "kube/fields.h"

namespace aquifer::cli {

struct Serving {
  bool ready = false;
  std::string text;  // "1 of 2"
};

// Of a Deployment or DaemonSet: all its pods are of its newest template and available.
Serving ServingOf(const kube::Json& workload);

// Whether nothing but the server's own count of writes, and the status, tells two answers apart.
bool SameButForWrites(kube::Json before, kube::Json after);

}  // namespace aquifer::cli
