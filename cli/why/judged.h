// What one proxy made of a connection or request, and what the others need to know of it. Values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "certs/identity.h"
#include "cli/why/explanation.h"
#include "cli/why/model.h"
#include "core/base/address.h"

namespace aquifer::cli {

struct Judged {
  Hop hop;
  Outcome outcome = Outcome::kAllowed;
  std::optional<Decider> by;
  std::string because;
};

inline Judged End(Hop hop, Outcome outcome, std::string because,
                  std::optional<Decider> by = std::nullopt) {
  return {.hop = std::move(hop),
          .outcome = outcome,
          .by = std::move(by),
          .because = std::move(because)};
}

// How a connection comes to the node proxy of its destination.
struct Arrival {
  std::optional<certs::Identity> identity;  // that the peer proves
  Ip source;
  Address target;       // the pod's address and the application's port
  bool tunnel = false;  // HBONE; else in the clear
  bool from_waypoint = false;
};

// `own` is the destination.
Judged JudgeAtDestination(const Model& model, const mesh::WorkloadRef& own, const Arrival& arrival);

// Policies that were meant for this pod or service and are not, or not whole, enforced by the
// proxies that were asked: one sentence each. Both may be null.
std::vector<std::string> RemarksOn(const Model& model, const control::Pod* pod,
                                   const mesh::Service* service);

}  // namespace aquifer::cli
