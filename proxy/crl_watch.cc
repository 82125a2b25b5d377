#include "proxy/crl_watch.h"

#include <openssl/sha.h>
#include <sys/inotify.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <tuple>

#include "certs/file.h"
#include "core/rt/timer.h"

namespace aquifer::proxy {
namespace {

// Beside what the directory's watch tells: a link may lead out of it.
constexpr std::chrono::seconds kLookAgain(30);

std::string DirectoryOf(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

std::string DigestOf(std::string_view content) {
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
  const Bytes bytes = AsBytes(content);
  SHA256(bytes.data(), bytes.size(), digest.data());
  return std::string(AsText(digest));
}

// To open a pipe would be to wait for whoever writes to it.
Result<std::string> ReadRegular(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return Error{Reason::kUnsupported};
  }
  return certs::ReadSmallFile(path, certs::CrlSet::kMaxBytes);
}

}  // namespace

CrlWatch::CrlWatch(std::string path, obs::Logger& log, obs::Registry& registry)
    : path_(std::move(path)),
      log_(log),
      reads_(registry.AddCounter({.name = "aquifer_crl_reads",
                                  .help = "Looks at the file of revocation lists after a change"})),
      usable_(registry
                  .AddGauge({.name = "aquifer_crl_usable",
                             .help = "1 while what the file of revocation lists says counts, 0 "
                                     "while an older state does or nobody is trusted"})
                  .With({})),
      entries_(registry
                   .AddGauge({.name = "aquifer_crl_entries",
                              .help = "Revoked certificates in the lists that count"})
                   .With({})),
      // Kubernetes makes the link of a file after it has put the file behind it.
      directory_(DirectoryOf(path_), IN_CREATE) {
  // Before the look: no change falls between.
  std::ignore = directory_.Arm();
  Look();
}

Task<void> CrlWatch::Run(Changed changed, StopToken stop) {
  while (!stop.requested()) {
    if (!directory_.armed()) std::ignore = directory_.Arm();
    const certs::CrlSetRef before = lists_;
    Look();
    if (lists_ != before) changed(lists_);
    Status waited = Error{Reason::kUnsupported};
    if (directory_.armed()) {
      TimedStop pause(stop, kLookAgain, Reason::kTimeout);
      waited = co_await directory_.Wait(pause.token());
    }
    if (!waited && waited.error().reason != Reason::kTimeout)
      std::ignore = co_await SleepFor(kLookAgain, stop);
  }
}

void CrlWatch::Look() {
  const std::optional<FileStamp> stamp = StampOf(path_, std::chrono::system_clock::now());
  const bool same = stamp && seen_ ? IsUnchanged(*seen_, *stamp) : !stamp && !seen_;
  if (std::exchange(looked_, true) && same) return;
  seen_ = stamp;
  const Result<std::string> content = ReadRegular(path_);
  if (!content && content.error().reason == Reason::kNotFound) {
    seen_.reset();
    return Missing();
  }
  const std::string why = content ? std::string() : Describe(content.error());
  std::string digest = content ? DigestOf(*content) : why;
  if (digest == digest_) return;  // touched, or looked at before the file's clock had moved
  digest_ = std::move(digest);
  if (!content) return Broken("unreadable", why);
  Take(*content);
}

void CrlWatch::Take(const std::string& content) {
  Decoded<certs::CrlSetRef> lists = certs::CrlSet::Parse(content);
  if (!lists) return Broken("malformed", lists.error().ToString());
  lists_ = *std::move(lists);
  had_one_ = true;
  CountRead("taken", true);
  log_.Info("crl", "revocation lists taken",
            {{"path", path_}, {"lists", lists_->lists().size()}, {"entries", lists_->entries()}});
  WarnOfOld();
}

void CrlWatch::Missing() {
  digest_.clear();
  CountRead("missing", !had_one_);
  if (had_one_) {
    log_.Error("crl", "the file of revocation lists has gone: what it said last goes on counting",
               {{"path", path_}});
    return;
  }
  lists_ = certs::CrlSet::None();
  log_.Info("crl", "no file of revocation lists: nothing is revoked", {{"path", path_}});
}

void CrlWatch::Broken(std::string_view outcome, const std::string& why) {
  if (!had_one_) lists_ = nullptr;
  CountRead(outcome, false);
  log_.Error("crl",
             had_one_ ? "the revocation lists cannot be read: what they said last goes on counting"
                      : "the revocation lists cannot be read: no new HBONE peer is trusted",
             {{"path", path_}, {"error", why}});
}

void CrlWatch::CountRead(std::string_view outcome, bool usable) {
  reads_.With({{"outcome", outcome}})->Add();
  usable_->Set(usable ? 1 : 0);
  entries_->Set(lists_ == nullptr ? 0 : static_cast<std::int64_t>(lists_->entries()));
}

void CrlWatch::WarnOfOld() const {
  const certs::WallTime now = certs::SystemWallTime();
  const auto& lists = lists_->lists();
  const auto old = std::count_if(lists.begin(), lists.end(), [now](const certs::Crl& list) {
    return list.next_update() && *list.next_update() <= now;
  });
  if (old == 0) return;
  log_.Warn("crl", "revocation lists are past their next update and go on counting",
            {{"path", path_}, {"lists", static_cast<std::size_t>(old)}});
}

}  // namespace aquifer::proxy
