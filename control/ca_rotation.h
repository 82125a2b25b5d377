// How a root that we made gives way to its successor: the successor is trusted first and signs
// later, and the old root is trusted until the last certificate of it has ended. Each step is made
// from the CA's files and the time alone, so that whichever replica comes first makes it, and a
// process that starts in the middle goes on. Pure, but for RotateLocalCa.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "certs/ca_service.h"
#include "certs/wall_clock.h"
#include "control/ca_secret.h"

namespace aquifer::control {

struct CaRotationTimes {
  // So long before its end a root gets a successor: enough for all that follows.
  std::chrono::seconds lead = std::chrono::days(120);
  // So long both are trusted before the successor signs. Proxies hear of roots with their
  // certificates, which last a day unless they ask for more.
  std::chrono::seconds announce = std::chrono::days(7);
  // So long the old one is trusted after the first of us has stopped signing with it: others go on
  // until they have looked again.
  std::chrono::seconds overlap = certs::CaServiceOptions().longest_ttl + std::chrono::days(1);
};

// What the files become at `now`; nothing if they stay. Only of a root that signs itself: an
// intermediate is for its issuer to renew. `organization` is that of a new root.
Decoded<std::optional<CaFiles>> NextCaFiles(const CaFiles& files, std::string_view organization,
                                            certs::WallTime now, const CaRotationTimes& times = {});

// The same of <state>/ca, if the root there was made here (control/ca_state.h) and not put there.
// Whether the files have changed. Blocking.
Decoded<bool> RotateLocalCa(const std::string& state_directory, std::string_view organization,
                            certs::WallTime now, const CaRotationTimes& times = {});

}  // namespace aquifer::control
