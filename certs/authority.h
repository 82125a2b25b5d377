// Whoever signs for us: the CA of the mesh over gRPC (certs/ca_client.h), or a local one. One call
// makes a new key, asks for a certificate and checks what comes back. Control loop.
#pragma once

#include "certs/bundle.h"
#include "certs/failure.h"
#include "certs/identity.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer::certs {

class Authority {
 public:
  virtual ~Authority() = default;

  // A certificate for exactly `identity` and a key that nobody else has. Several calls may be
  // outstanding; the object outlives them.
  virtual Task<Result<CertificateBundle, Failure>> Fetch(Identity identity, StopToken stop) = 0;
};

}  // namespace aquifer::certs
