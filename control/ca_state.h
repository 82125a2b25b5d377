// The CA's key and root at rest, in <state>/ca: those that are there, be they ours or an operator's
// (the files of Istio's "cacerts": ca-key.pem, ca-cert.pem, root-cert.pem, and cert-chain.pem where
// ca-cert.pem is an intermediate with others above it), else a new root, which is noted in
// <state>/made-roots.pem: only such a one is replaced at its end (control/ca_rotation.h). Blocking.
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
// Where the former files of <directory> are while others take their place. If that was cut short
// they count again.
std::string FormerOf(const std::string& directory);
Result<void, Refusal> BringBackFormer(const std::string& directory);
// That of <directory> as it is now.
Decoded<certs::LocalCa> LoadCa(const std::string& directory);

bool WasMadeHere(const std::string& state_directory, const std::string& root_pem);
Result<void, Refusal> NoteMadeHere(const std::string& state_directory, const std::string& root_pem);

}  // namespace aquifer::control
