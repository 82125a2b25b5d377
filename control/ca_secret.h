// The CA's files (control/ca_state.h) as a Secret, from which all replicas have the same root: to
// the object and back. A Secret of cert-manager's form (tls.key, tls.crt, ca.crt) is read, too.
// Pure; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "certs/local_ca.h"
#include "core/base/result.h"

namespace aquifer::control {

// Contents by name.
using CaFiles = std::map<std::string, std::string>;

namespace ca_file {
inline constexpr const char* kKey = "ca-key.pem";
inline constexpr const char* kCertificate = "ca-cert.pem";
inline constexpr const char* kChain = "cert-chain.pem";  // if there are intermediates
inline constexpr const char* kRoots = "root-cert.pem";
// While a root of ours gives way to its successor (control/ca_rotation.h).
inline constexpr const char* kNextKey = "next-ca-key.pem";
inline constexpr const char* kNextCertificate = "next-ca-cert.pem";
inline constexpr const char* kRetired = "retired-ca-cert.pem";
inline constexpr const char* kRetiredAt = "retired-at";

inline constexpr const char* kAll[] = {kKey,     kCertificate,     kChain,   kRoots,
                                       kNextKey, kNextCertificate, kRetired, kRetiredAt};
constexpr bool IsSecret(std::string_view name) { return name == kKey || name == kNextKey; }
}  // namespace ca_file

// The CA that signs by them.
Decoded<certs::LocalCa> CaOf(const CaFiles& files);

// Refused if the files make no CA. The refusal's field is that of the object.
Decoded<CaFiles> ReadCaSecret(std::string_view object);
// What else is to be known of a Secret that is written to.
struct CaSecretMeta {
  bool ours = false;  // made by a replica of ours, and so is the root in it now
  std::string version;
};
Decoded<CaSecretMeta> ReadCaSecretMeta(std::string_view object);
// The body that creates it; `made_here`: whether the root was (control/ca_state.h).
std::string CaSecretBody(std::string_view namespace_name, std::string_view name,
                         const CaFiles& files, bool made_here = true);
// The merge patch that makes `after` of `before`, if it still has that version.
std::string CaSecretPatch(std::string_view version, const CaFiles& before, const CaFiles& after);

}  // namespace aquifer::control
