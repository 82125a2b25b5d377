#include "control/ca_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "certs/file.h"

namespace aquifer::control {
namespace {

constexpr size_t kMaxFileBytes = 1024 * 1024;

Refusal Failed(const std::string& path, const std::string& what, int os_error) {
  return {path, "cannot be " + what + ": " + std::generic_category().message(os_error)};
}

Decoded<UniqueFd> Lock(const std::string& state_directory) {
  const std::string path = state_directory + "/lock";
  UniqueFd fd(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!fd.valid()) return Failed(path, "opened", errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) return Refusal{path, "is held by another aquifer-control"};
  return Failed(path, "locked", errno);
}

// The text of a file that need not be there.
Decoded<std::optional<std::string>> ReadIfThere(const std::string& path) {
  Result<std::string> text = certs::ReadSmallFile(path, kMaxFileBytes);
  if (text.ok()) return std::optional(*std::move(text));
  if (text.error().reason == Reason::kNotFound) return std::optional<std::string>();
  return Refusal{path, "cannot be read: " + Describe(text.error())};
}

// Written beside and moved into place as a whole: a process that is killed in the middle must leave
// either a CA or none.
Decoded<certs::LocalCa> Make(const std::string& state_directory, const std::string& directory,
                             const std::string& trust_domain, certs::WallTime now) {
  const std::string unfinished = directory + ".new";
  std::error_code error;
  std::filesystem::remove_all(unfinished, error);
  if (::mkdir(unfinished.c_str(), 0700) != 0) return Failed(unfinished, "made", errno);
  certs::LocalCa ca = certs::LocalCa::Create(trust_domain, now);
  const Status saved = ca.Save(unfinished);
  if (!saved.ok()) return Refusal{unfinished, "cannot be written: " + Describe(saved.error())};
  AQ_TRY_STATUS(NoteMadeHere(state_directory, ca.ChainPem()));
  if (::rename(unfinished.c_str(), directory.c_str()) != 0) return Failed(directory, "made", errno);
  return ca;
}

bool IsEmptyOrMissing(const std::string& directory) {
  std::error_code error;
  return !std::filesystem::exists(directory, error) || std::filesystem::is_empty(directory, error);
}

std::string MadeRoots(const std::string& state_directory) {
  return state_directory + "/made-roots.pem";
}

}  // namespace

std::string FormerOf(const std::string& directory) { return directory + ".old"; }

Result<void, Refusal> BringBackFormer(const std::string& directory) {
  const std::string former = FormerOf(directory);
  std::error_code error;
  if (!IsEmptyOrMissing(directory) || !std::filesystem::exists(former, error)) return {};
  if (::rename(former.c_str(), directory.c_str()) != 0) return Failed(directory, "made", errno);
  return {};
}

Decoded<certs::LocalCa> LoadCa(const std::string& directory) {
  AQ_TRY(const std::optional<std::string> chain, ReadIfThere(directory + "/cert-chain.pem"));
  if (!chain) {
    Decoded<certs::LocalCa> loaded = certs::LocalCa::Load(directory);
    if (!loaded.ok()) return Refusal{directory, loaded.error().ToString()};
    return loaded;
  }
  AQ_TRY(const std::optional<std::string> key, ReadIfThere(directory + "/ca-key.pem"));
  AQ_TRY(const std::optional<std::string> roots, ReadIfThere(directory + "/root-cert.pem"));
  if (!key || !roots) return Refusal{directory, "lacks ca-key.pem or root-cert.pem"};
  Decoded<certs::LocalCa> loaded = certs::LocalCa::FromPem(*key, *chain, *roots);
  if (!loaded.ok()) return Refusal{directory, loaded.error().ToString()};
  return loaded;
}

bool WasMadeHere(const std::string& state_directory, const std::string& root_pem) {
  const Decoded<std::optional<std::string>> made = ReadIfThere(MadeRoots(state_directory));
  return made.ok() && made->has_value() && !root_pem.empty() &&
         (*made)->find(root_pem) != std::string::npos;
}

Result<void, Refusal> NoteMadeHere(const std::string& state_directory,
                                   const std::string& root_pem) {
  const std::string path = MadeRoots(state_directory);
  AQ_TRY(const std::optional<std::string> made, ReadIfThere(path));
  const Status written = certs::WriteFileWhole(path, made.value_or("") + root_pem, 0644);
  if (!written.ok()) return Refusal{path, "cannot be written: " + Describe(written.error())};
  return {};
}

Decoded<CaState> OpenCaState(const std::string& state_directory, const std::string& trust_domain,
                             certs::WallTime now) {
  std::error_code error;
  std::filesystem::create_directories(state_directory, error);
  if (error) return Failed(state_directory, "made", error.value());
  AQ_TRY(UniqueFd lock, Lock(state_directory));
  const std::string directory = state_directory + "/ca";
  AQ_TRY_STATUS(BringBackFormer(directory));
  const bool make = IsEmptyOrMissing(directory);
  Decoded<certs::LocalCa> ca =
      make ? Make(state_directory, directory, trust_domain, now) : LoadCa(directory);
  if (!ca.ok()) return std::move(ca).error();
  return CaState{*std::move(ca), make, std::move(lock)};
}

}  // namespace aquifer::control
