// Which endpoint a request goes to, and how a connection to it is made. The pool above it keeps the
// connections; the mesh's own answer is waypoint/mesh_backends.h. One worker; one thread.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "core/io/stream.h"
#include "mesh/classify.h"
#include "waypoint/upstream.h"

namespace aquifer::waypoint {

struct ChosenBackend {
  Endpoint endpoint;
  // Connections with the same key lead to the same place in the same way.
  std::string key;
  bool http2 = false;
  mesh::Route route;
};

class Backends {
 public:
  virtual ~Backends() = default;

  // Pure: no I/O. Errors as Upstream::Open.
  virtual Result<ChosenBackend> Choose(const UpstreamRequest& request) = 0;
  virtual Task<Result<io::StreamPtr>> Dial(ChosenBackend backend, StopToken stop) = 0;
};

}  // namespace aquifer::waypoint
