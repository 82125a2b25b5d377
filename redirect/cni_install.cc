#include "redirect/cni_install.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "core/base/file_stamp.h"
#include "core/base/folder_file.h"
#include "core/base/last_error.h"
#include "core/base/unique_fd.h"
#include "core/base/write_all.h"
#include "core/rt/timer.h"

namespace aquifer::redirect {
namespace {

constexpr std::string_view kScope = "install";
constexpr size_t kMaxConfBytes = 1 << 20;
constexpr size_t kMaxNames = 4096;
constexpr off_t kMaxProgramBytes = off_t{512} << 20;
// Beside what the watch tells: the program may have been removed, or a file system tells nothing.
constexpr Clock::duration kLookAgain = std::chrono::seconds(10);
constexpr Clock::duration kSettle = std::chrono::milliseconds(20);  // several files at once
// Somebody who takes us out as often as we come back must not keep the node busy.
constexpr Clock::duration kAfterWriting = std::chrono::seconds(1);

std::string PathOf(const std::string& folder, const std::string& name) {
  return folder + "/" + name;
}

Refusal Failed(const std::string& path) { return {path, Describe(LastError())}; }

Decoded<std::vector<std::string>> ListConfs(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), &::closedir);
  if (open == nullptr) return Failed(folder);
  std::vector<std::string> names;
  while (const dirent* const entry = ::readdir(open.get())) {
    if (IsConfName(entry->d_name)) names.emplace_back(entry->d_name);
    if (names.size() > kMaxNames) return Refusal{folder, "has more than 4096 configurations"};
  }
  return names;
}

Status CopyAll(int from, int to) {
  std::string part(1 << 20, '\0');
  while (true) {
    const ssize_t got = ::read(from, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return LastError();
    if (got == 0) return {};
    AQ_TRY_STATUS(WriteAll(to, std::string_view(part).substr(0, static_cast<size_t>(got))));
  }
}

// Of a folder, so that a new name in it lasts.
Status Sync(const std::string& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return LastError();
  return {};
}

// Makes folder/name of what `fill` writes. The name that it has until then is none that a runtime
// or a kubelet takes for a configuration or a plugin.
template <class Fill>
Result<void, Refusal> ReplaceLasting(const std::string& folder, const std::string& name,
                                     mode_t mode, Fill&& fill) {
  const std::string fresh = PathOf(folder, ".aquifer-" + name + ".new");
  const auto write = [&]() -> Status {
    const UniqueFd file(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.valid()) return LastError();
    AQ_TRY_STATUS(fill(file.get()));
    if (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0) return LastError();
    return {};
  };
  const std::string path = PathOf(folder, name);
  Status done = write();
  if (done && ::rename(fresh.c_str(), path.c_str()) != 0) done = LastError();
  if (!done) {
    ::unlink(fresh.c_str());
    return Refusal{path, Describe(done.error())};
  }
  const Status lasting = Sync(folder);
  if (!lasting) return Refusal{folder, Describe(lasting.error())};
  return {};
}

Result<void, Refusal> RemoveFile(const std::string& folder, const std::string& name) {
  const std::string path = PathOf(folder, name);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return Failed(path);
  static_cast<void>(Sync(folder));
  return {};
}

struct ConfFile {
  std::string text;
  mode_t mode = 0644;
  std::optional<FileStamp> stamp;  // taken before it was read
};

std::optional<FileStamp> StampNow(const std::string& path) {
  return StampOf(path, std::chrono::system_clock::now());
}

Decoded<ConfFile> ReadConf(const std::string& folder, const std::string& name) {
  const std::string path = PathOf(folder, name);
  ConfFile file{.stamp = StampNow(path)};
  auto text = ReadFolderFile(folder, name, kMaxConfBytes);
  if (!text) return Refusal{path, text.error().why};
  file.text = *std::move(text);
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) file.mode = info.st_mode & 0777;
  return file;
}

// Its owner may have written it meanwhile, and knows better.
bool HasChanged(const ConfFile& file, const std::string& path) {
  const std::optional<FileStamp> now = StampNow(path);
  if (!file.stamp || !now) return true;
  return file.stamp->inode != now->inode || file.stamp->size != now->size ||
         file.stamp->modified != now->modified || file.stamp->changed != now->changed;
}

Result<void, Refusal> WriteConf(const std::string& folder, const std::string& name, mode_t mode,
                                const std::string& text) {
  if (text.size() > kMaxConfBytes)
    return Refusal{PathOf(folder, name), "would be larger than 1 MiB"};
  return ReplaceLasting(folder, name, mode, [&](int fd) { return WriteAll(fd, text); });
}

Refusal Within(const std::string& path, const Refusal& refusal) {
  return {path, refusal.ToString()};
}

// Lists of ours for configurations that do not count any more.
Result<void, Refusal> RemoveWrappers(const std::string& folder,
                                     const std::vector<std::string>& names,
                                     const std::string& but) {
  for (const std::string& name : names) {
    if (!IsWrapper(name) || name == but) continue;
    AQ_TRY_STATUS(RemoveFile(folder, name));
  }
  return {};
}

// The value says whether it was written.
Decoded<bool> EditList(const CniInstallOptions& options, const std::string& name) {
  const std::string path = PathOf(options.conf_dir, name);
  AQ_TRY(const ConfFile file, ReadConf(options.conf_dir, name));
  const Decoded<Edit> edit = WithPlugin(file.text, options.entry);
  if (!edit) return Within(path, edit.error());
  if (!*edit) return false;
  if (HasChanged(file, path)) return Refusal{path, "is being written by somebody else"};
  AQ_TRY_STATUS(WriteConf(options.conf_dir, name, file.mode, **edit));
  return true;
}

Decoded<bool> WriteWrapper(const CniInstallOptions& options, const std::string& name) {
  AQ_TRY(const ConfFile file, ReadConf(options.conf_dir, name));
  const Decoded<std::string> text = WrapConf(file.text, options.entry);
  if (!text) return Within(PathOf(options.conf_dir, name), text.error());
  const std::string wrapper = WrapperOf(name);
  const Decoded<ConfFile> there = ReadConf(options.conf_dir, wrapper);
  if (there && there->text == *text) return false;
  AQ_TRY_STATUS(WriteConf(options.conf_dir, wrapper, file.mode, *text));
  return true;
}

Result<void, Refusal> RemoveEntry(const CniInstallOptions& options, const std::string& name) {
  const std::string path = PathOf(options.conf_dir, name);
  AQ_TRY(const ConfFile file, ReadConf(options.conf_dir, name));
  if (!HasPlugin(file.text)) return {};
  if (IsWrapper(name)) return RemoveFile(options.conf_dir, name);
  const Decoded<Edit> edit = WithoutPlugin(file.text);
  if (!edit) return Within(path, edit.error());
  if (!*edit) return {};
  return WriteConf(options.conf_dir, name, file.mode, **edit);
}

Decoded<UniqueFd> OpenProgram(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) return Failed(path);
  if (!S_ISREG(info.st_mode) || info.st_size > kMaxProgramBytes)
    return Refusal{path, "is not a regular file of at most 512 MiB"};
  return fd;
}

// What a read gives is short only at the end of a regular file.
bool IsSameContent(int a, int b) {
  std::string from_a(1 << 20, '\0');
  std::string from_b(1 << 20, '\0');
  for (off_t at = 0;; at += static_cast<off_t>(from_a.size())) {
    const ssize_t got = ::pread(a, from_a.data(), from_a.size(), at);
    if (got < 0 || ::pread(b, from_b.data(), from_b.size(), at) != got) return false;
    const auto size = static_cast<size_t>(got);
    if (from_a.compare(0, size, from_b, 0, size) != 0) return false;
    if (size < from_a.size()) return true;
  }
}

}  // namespace

std::string PluginProgram() {
  std::string path(4096, '\0');
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) return "/proc/self/exe";
  path.resize(static_cast<size_t>(size));
  const std::string alone = path + "-plugin";
  return ::access(alone.c_str(), X_OK) == 0 ? alone : path;
}

bool HasProgram(const CniInstallOptions& options) {
  const std::string path = PathOf(options.bin_dir, std::string(kPluginType));
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
         (info.st_mode & 0111) == 0111;
}

Result<void, Refusal> InstallProgram(const CniInstallOptions& options) {
  const std::string program = options.program.empty() ? PluginProgram() : options.program;
  const std::string name(kPluginType);
  AQ_TRY(const UniqueFd from, OpenProgram(program));
  const Decoded<UniqueFd> there = OpenProgram(PathOf(options.bin_dir, name));
  if (there && HasProgram(options) && IsSameContent(from.get(), there->get())) return {};
  return ReplaceLasting(options.bin_dir, name, 0755,
                        [&](int fd) { return CopyAll(from.get(), fd); });
}

Decoded<std::string> InstallEntry(const CniInstallOptions& options) {
  AQ_TRY(const std::vector<std::string> names, ListConfs(options.conf_dir));
  const std::string first = FirstConf(names);
  if (first.empty()) {
    AQ_TRY_STATUS(RemoveWrappers(options.conf_dir, names, ""));
    return Refusal{options.conf_dir, "has no network configuration yet"};
  }
  const bool is_list = IsListName(first);
  const std::string target = is_list ? first : WrapperOf(first);
  AQ_TRY(const bool written, is_list ? EditList(options, first) : WriteWrapper(options, first));
  // After the new one is there, so that at no moment a runtime finds a configuration without us.
  AQ_TRY_STATUS(RemoveWrappers(options.conf_dir, names, target));
  return written ? PathOf(options.conf_dir, target) : std::string();
}

std::vector<Refusal> Uninstall(const CniInstallOptions& options) {
  std::vector<Refusal> refusals;
  const auto note = [&refusals](const Result<void, Refusal>& done) {
    if (!done) refusals.push_back(done.error());
  };
  const Decoded<std::vector<std::string>> names = ListConfs(options.conf_dir);
  if (!names) return {names.error()};
  for (const std::string& name : *names) {
    if (IsListName(name)) note(RemoveEntry(options, name));
  }
  // A configuration that still names the program would keep every pod from starting.
  if (refusals.empty()) note(RemoveFile(options.bin_dir, std::string(kPluginType)));
  return refusals;
}

CniInstaller::CniInstaller(CniInstallOptions options, obs::Logger& log)
    : options_(std::move(options)), log_(log), watch_(options_.conf_dir) {}

Task<void> CniInstaller::Run(StopToken stop) {
  while (!stop.requested()) {
    // Before the look: what changes after it is told.
    if (!watch_.armed()) std::ignore = watch_.Arm();
    const bool wrote = Look();
    std::ignore = co_await SleepFor(wrote ? kAfterWriting : kSettle, stop);
    TimedStop timed(stop, kLookAgain, Reason::kTimeout);
    if (watch_.armed()) {
      std::ignore = co_await watch_.Wait(timed.token());
    } else {
      std::ignore = co_await SleepFor(kLookAgain, stop);
    }
  }
}

// True if the configuration was written.
bool CniInstaller::Look() {
  // Once it has been compared it only has to be there.
  Result<void, Refusal> program;
  if (!copied_ || !HasProgram(options_)) program = InstallProgram(options_);
  copied_ = program.ok();
  // Without its program the entry would only do harm.
  const Decoded<std::string> entry =
      program ? InstallEntry(options_) : Decoded<std::string>(program.error());
  const std::string before = std::exchange(problem_, entry ? "" : entry.error().ToString());
  if (!entry && problem_ != before) {
    log_.Limited(limiter_, obs::Level::kError, kScope,
                 "the CNI plugin is not installed, pods start without it", {{"error", problem_}});
  }
  if (!entry || entry->empty()) return false;
  log_.Limited(limiter_, obs::Level::kInfo, kScope, "the CNI plugin is part of the network now",
               {{"file", *entry}});
  return true;
}

}  // namespace aquifer::redirect
