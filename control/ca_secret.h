// The CA's files (control/ca_state.h) as a Secret, from which all replicas have the same root: to
// the object and back. Pure; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace aquifer::control {

// Contents by name: ca-key.pem, ca-cert.pem, root-cert.pem, and cert-chain.pem where there is one.
using CaFiles = std::map<std::string, std::string>;

// Refused if the files make no CA. The refusal's field is that of the object.
Decoded<CaFiles> ReadCaSecret(std::string_view object);
// The body that creates it.
std::string CaSecretBody(std::string_view namespace_name, std::string_view name,
                         const CaFiles& files);

}  // namespace aquifer::control
