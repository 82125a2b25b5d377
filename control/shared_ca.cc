#include "control/shared_ca.h"

#include <sys/stat.h>

#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

#include "certs/file.h"
#include "control/ca_state.h"
#include "core/rt/timer.h"

namespace aquifer::control {
namespace {

constexpr size_t kMaxAnswer = 2 << 20;
constexpr size_t kMaxFileBytes = 1 << 20;

Refusal CannotBe(const std::string& path, const char* what, const std::error_code& error) {
  return {path, std::string("cannot be ") + what + ": " + error.message()};
}

// No CA in use gives way to one that cannot sign now.
Result<void, Refusal> CheckSigns(const CaFiles& files, certs::WallTime now) {
  AQ_TRY(const certs::LocalCa ca, CaOf(files));
  if (now >= ca.certificate().not_after) return Refusal{ca_file::kCertificate, "has expired"};
  if (now < ca.certificate().not_before) return Refusal{ca_file::kCertificate, "is not valid yet"};
  return {};
}

}  // namespace

Result<void, Refusal> ReplaceCaFiles(const std::string& directory, const CaFiles& files) {
  const Decoded<CaFiles> present = ReadCaFiles(directory);
  if (present.ok() && *present == files) return {};
  const std::string fresh = directory + ".new";
  std::error_code error;
  std::filesystem::remove_all(fresh, error);
  std::filesystem::create_directories(fresh, error);
  if (error) return CannotBe(fresh, "made", error);
  for (const auto& [name, content] : files) {
    const bool secret = ca_file::IsSecret(name);
    const Status written =
        certs::WriteFileWhole(fresh + "/" + name, content, secret ? S_IRUSR | S_IWUSR : 0644);
    if (!written.ok())
      return Refusal{fresh + "/" + name, "cannot be written: " + Describe(written.error())};
  }
  // The key of a root that is nowhere else must be on the disk at every moment.
  AQ_TRY_STATUS(BringBackFormer(directory));
  const std::string former = FormerOf(directory);
  std::filesystem::remove_all(former, error);
  if (error) return CannotBe(former, "removed", error);
  std::filesystem::rename(directory, former, error);
  const bool first = error == std::errc::no_such_file_or_directory;
  if (error && !first) return CannotBe(directory, "moved", error);
  std::filesystem::rename(fresh, directory, error);
  if (error) {
    const std::error_code why = error;
    AQ_TRY_STATUS(BringBackFormer(directory));
    return CannotBe(directory, "made", why);
  }
  std::filesystem::remove_all(former, error);
  return {};
}

Decoded<CaFiles> ReadCaFiles(const std::string& directory) {
  CaFiles files;
  for (const char* name : ca_file::kAll) {
    const std::string path = directory + "/" + name;
    Result<std::string> content = certs::ReadSmallFile(path, kMaxFileBytes);
    if (content.ok()) {
      files.emplace(name, *std::move(content));
    } else if (content.error().reason != Reason::kNotFound) {
      return Refusal{path, "cannot be read: " + Describe(content.error())};
    }
  }
  return files;
}

Task<Result<void, Refusal>> SharedCa::Bring(StopToken stop) {
  while (!stop.requested()) {
    const Decoded<Step> step = co_await Attempt(stop);
    if (!step.ok()) co_return step.error();
    if (*step == Step::kDone) {
      co_await CatchUp(stop);
      break;
    }
    if (*step == Step::kLater) std::ignore = co_await SleepFor(options_.pause, stop);
  }
  co_return Result<void, Refusal>();
}

// A root that has ended while nobody ran is announced and signs at once, in two steps.
Task<void> SharedCa::CatchUp(StopToken stop) {
  const Decoded<CaFiles> files = ReadCaFiles(options_.state_directory + "/ca");
  if (!files.ok() || CheckSigns(*files, options_.clock()).ok()) co_return;
  for (int step = 0; step < 2; ++step) std::ignore = co_await LookAgain(stop);
}

Task<Decoded<SharedCa::Step>> SharedCa::Attempt(StopToken stop) {
  const Result<std::string, ApiFailure> answer = co_await Read(stop);
  if (!answer.ok()) {
    if (answer.error().status != kNotFound) co_return Failed(answer.error(), stop);
    const Decoded<Step> offered = co_await Offer(stop);
    co_return offered;
  }
  const Decoded<CaFiles> files = ReadCaSecret(*answer);
  if (!files.ok()) co_return Refused(files.error());
  AQ_CO_TRY_STATUS(ReplaceCaFiles(options_.state_directory + "/ca", *files));
  log_.Info("ca", "the CA of a Secret is used",
            {{"secret", options_.namespace_name + "/" + options_.name}});
  co_return Step::kDone;
}

Task<Result<std::string, ApiFailure>> SharedCa::Read(StopToken stop) {
  ApiRequest request;
  request.path = Path() + "/" + options_.name;
  co_return co_await client_.Call(std::move(request), kMaxAnswer, options_.timeout, stop);
}

Task<Decoded<bool>> SharedCa::LookAgain(StopToken stop) {
  const Result<std::string, ApiFailure> answer = co_await Read(stop);
  if (!answer.ok()) {
    Failed(answer.error(), stop);
    co_return false;
  }
  problem_.clear();
  Decoded<CaFiles> files = ReadCaSecret(*answer);
  if (!files.ok()) co_return Refused(files.error());
  Decoded<CaSecretMeta> meta = ReadCaSecretMeta(*answer);
  if (!meta.ok()) co_return Refused(meta.error());
  if (meta->ours) {
    files = co_await Rotated(*std::move(files), *std::move(meta), stop);
    if (!files.ok()) co_return Refused(files.error());
  }
  const std::string directory = options_.state_directory + "/ca";
  AQ_CO_TRY(const CaFiles present, ReadCaFiles(directory));
  if (present == *files) co_return false;
  const Result<void, Refusal> signs = CheckSigns(*files, options_.clock());
  if (!signs.ok()) co_return Refused(signs.error());
  AQ_CO_TRY_STATUS(ReplaceCaFiles(directory, *files));
  co_return true;
}

// What all replicas will read: the next step counts once the API server has taken it, for the
// version that it was made from.
Task<Result<CaFiles, Refusal>> SharedCa::Rotated(CaFiles files, CaSecretMeta meta, StopToken stop) {
  AQ_CO_TRY(std::optional<CaFiles> next,
            NextCaFiles(files, options_.trust_domain, options_.clock()));
  if (!next) co_return files;
  ApiRequest request;
  request.method = "PATCH";
  request.path = Path() + "/" + options_.name;
  request.content_type = "application/merge-patch+json";
  request.body = CaSecretPatch(meta.version, files, *next);
  const Result<std::string, ApiFailure> answer =
      co_await client_.Call(std::move(request), kMaxAnswer, options_.timeout, stop);
  if (answer.ok()) co_return *std::move(next);
  // Another replica was faster, and the next look finds what it has made.
  if (answer.error().status != kConflict) Failed(answer.error(), stop);
  co_return files;
}

Refusal SharedCa::Refused(const Refusal& why) const {
  return {"Secret " + options_.namespace_name + "/" + options_.name, why.ToString()};
}

// Whoever has made the Secret in the meantime has made the CA, and the next attempt reads it.
Task<Decoded<SharedCa::Step>> SharedCa::Offer(StopToken stop) {
  {
    const Decoded<CaState> made =
        OpenCaState(options_.state_directory, options_.trust_domain, options_.clock());
    if (!made.ok()) co_return made.error();
  }
  const Decoded<CaFiles> files = ReadCaFiles(options_.state_directory + "/ca");
  if (!files.ok()) co_return files.error();
  ApiRequest request;
  request.method = "POST";
  request.path = Path();
  request.content_type = "application/json";
  const auto certificate = files->find(ca_file::kCertificate);
  const bool made_here =
      certificate != files->end() && WasMadeHere(options_.state_directory, certificate->second);
  request.body = CaSecretBody(options_.namespace_name, options_.name, *files, made_here);
  const Result<std::string, ApiFailure> answer =
      co_await client_.Call(std::move(request), kMaxAnswer, options_.timeout, stop);
  if (answer.ok()) co_return Step::kAgain;
  if (answer.error().status == kConflict) co_return Step::kLater;
  co_return Failed(answer.error(), stop);
}

SharedCa::Step SharedCa::Failed(const ApiFailure& failure, StopToken stop) {
  const std::string problem = failure.ToString();
  if (problem != problem_ && !stop.requested()) {
    log_.Error("ca", "the Secret with the CA cannot be read or written",
               {{"secret", options_.namespace_name + "/" + options_.name}, {"error", problem}});
  }
  problem_ = problem;
  return Step::kLater;
}

std::string SharedCa::Path() const {
  return CollectionPath("v1", "secrets", options_.namespace_name);
}

}  // namespace aquifer::control
