// Copies of a request for other services (HTTPRoute's RequestMirror filter): sent beside the
// request, their answers dropped. A copy never holds its request up: what its backend does not take
// in time is not kept but ends the copy. Owned by the exchange; the copies go on after it by
// themselves. One thread.
#pragma once

#include <memory>
#include <vector>

#include "core/http/h1.h"
#include "waypoint/admission.h"
#include "waypoint/upstream.h"

namespace aquifer::waypoint {

class Mirrors {
 public:
  Mirrors() = default;
  Mirrors(const Mirrors&) = delete;
  Mirrors& operator=(const Mirrors&) = delete;
  // A body that has not ended never will: its copies are broken off.
  ~Mirrors();

  // At most once. `upstream` outlives the copies, as it runs them.
  void Start(Upstream& upstream, std::vector<MirrorCopy> copies, http::BodyLength body,
             bool client_speaks_h2);
  // The body as the request itself gets it.
  void Body(const Chunk& chunk);
  void End(const http::HeaderList& trailers);

 private:
  struct Copy;

  static Task<void> Send(std::shared_ptr<Copy> copy, Upstream& upstream, StopToken stop);
  static Task<Status> SendAll(Copy& copy, UpstreamCall& call, StopToken stop);

  std::vector<std::shared_ptr<Copy>> copies_;
};

}  // namespace aquifer::waypoint
