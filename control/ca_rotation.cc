#include "control/ca_rotation.h"

#include <algorithm>
#include <utility>

#include "certs/local_ca.h"
#include "control/ca_state.h"
#include "control/names.h"
#include "control/shared_ca.h"

namespace aquifer::control {
namespace {

using namespace ca_file;
using Next = Decoded<std::optional<CaFiles>>;

bool SignsByItsRoot(const certs::LocalCa& ca) {
  const auto& roots = ca.roots()->certificates();
  return std::any_of(roots.begin(), roots.end(), [&](const certs::CertificateInfo& root) {
    return root.pem == ca.certificate().pem;
  });
}

Next Announce(CaFiles files, std::string_view organization, certs::WallTime now) {
  const certs::LocalCa successor = certs::LocalCa::Create(organization, now);
  files[kNextKey] = successor.KeyPem();
  files[kNextCertificate] = successor.ChainPem();
  std::string& roots = files[kRoots];
  if (!roots.ends_with('\n')) roots += '\n';
  roots += successor.ChainPem();
  return std::optional(std::move(files));
}

Next Switch(CaFiles files, certs::WallTime now) {
  files[kRetired] = std::move(files[kCertificate]);
  files[kRetiredAt] = FormatTimestamp(now.time_since_epoch().count());
  files[kKey] = std::move(files[kNextKey]);
  files[kCertificate] = std::move(files[kNextCertificate]);
  files.erase(kNextKey);
  files.erase(kNextCertificate);
  return std::optional(std::move(files));
}

// Roots that somebody else has added stay.
Next Drop(CaFiles files, const certs::LocalCa& ca) {
  AQ_TRY(const certs::RootBundleRef retired, certs::RootBundle::FromPem(files[kRetired]));
  std::string roots;
  for (const certs::CertificateInfo& root : ca.roots()->certificates()) {
    if (root.pem != retired->certificates().front().pem) roots += root.pem;
  }
  files[kRoots] = std::move(roots);
  files.erase(kRetired);
  files.erase(kRetiredAt);
  return std::optional(std::move(files));
}

}  // namespace

Next NextCaFiles(const CaFiles& files, std::string_view organization, certs::WallTime now,
                 const CaRotationTimes& times) {
  AQ_TRY(const certs::LocalCa ca, CaOf(files));
  if (files.contains(kChain) || !SignsByItsRoot(ca)) return std::optional<CaFiles>();
  const certs::WallTime end = ca.certificate().not_after;
  if (files.contains(kNextCertificate) && files.contains(kNextKey)) {
    AQ_TRY(
        const certs::LocalCa next,
        certs::LocalCa::FromPem(files.at(kNextKey), files.at(kNextCertificate), files.at(kRoots)));
    const bool announced = now >= next.certificate().not_before + times.announce;
    // Without a root in date nobody gets a certificate at all.
    if (announced || now >= end) return Switch(files, now);
    return std::optional<CaFiles>();
  }
  if (files.contains(kRetired) && files.contains(kRetiredAt)) {
    const std::optional<std::int64_t> at = ParseTimestamp(files.at(kRetiredAt));
    if (!at) return Refusal{kRetiredAt, "is not a time"};
    const certs::WallTime retired{std::chrono::seconds(*at)};
    if (now >= retired + times.overlap) return Drop(files, ca);
  }
  if (now + times.lead < end) return std::optional<CaFiles>();
  return Announce(files, organization, now);
}

Decoded<bool> RotateLocalCa(const std::string& state_directory, std::string_view organization,
                            certs::WallTime now, const CaRotationTimes& times) {
  const std::string directory = state_directory + "/ca";
  AQ_TRY(const CaFiles files, ReadCaFiles(directory));
  const auto certificate = files.find(kCertificate);
  if (certificate == files.end() || !WasMadeHere(state_directory, certificate->second))
    return false;
  AQ_TRY(std::optional<CaFiles> next, NextCaFiles(files, organization, now, times));
  if (!next) return false;
  // Noted before it is there: one that is noted and never comes does no harm.
  if (next->contains(kNextCertificate)) {
    AQ_TRY_STATUS(NoteMadeHere(state_directory, next->at(kNextCertificate)));
  }
  AQ_TRY_STATUS(ReplaceCaFiles(directory, *next));
  return true;
}

}  // namespace aquifer::control
