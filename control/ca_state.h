// The CA's key and root at rest, in <state>/ca: those that are there, be they ours or an operator's
// (the files of Istio's "cacerts": ca-key.pem, ca-cert.pem, root-cert.pem, and cert-chain.pem where
// ca-cert.pem is an intermediate with others above it), else a new root. Blocking; start-up only.
#pragma once

#include <string>

#include "certs/local_ca.h"
#include "core/base/unique_fd.h"

namespace aquifer::control {

struct CaState {
  certs::LocalCa ca;
  bool made = false;  // just now
  UniqueFd lock;      // held while the process lives: two writers would have two roots
};

// The refusal's field is a path.
Decoded<CaState> OpenCaState(const std::string& state_directory, const std::string& trust_domain,
                             certs::WallTime now);

}  // namespace aquifer::control
