// A LocalCa behind the interface of a CA elsewhere: for a node that signs for itself, and for
// tests.
#pragma once

#include <chrono>

#include "certs/authority.h"
#include "certs/local_ca.h"
#include "certs/wall_clock.h"

namespace aquifer::certs {

class LocalAuthority final : public Authority {
 public:
  LocalAuthority(LocalCa ca, std::chrono::seconds ttl, WallClock clock)
      : ca_(std::move(ca)), ttl_(ttl), clock_(std::move(clock)) {}

  Task<Result<CertificateBundle, Failure>> Fetch(Identity identity, StopToken stop) override;

 private:
  LocalCa ca_;
  std::chrono::seconds ttl_;
  WallClock clock_;
};

}  // namespace aquifer::certs
