#include "control/source/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace aquifer::control {
namespace {

constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_MOVED_TO |
                                  IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF |
                                  IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kGone = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT;
constexpr int kRetryMs = 1000;

Error ErrnoError() { return Error{Reason::kSystem, errno}; }

}  // namespace

Status DirectoryWatch::Start() {
  inotify_ = UniqueFd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify_.valid()) return ErrnoError();
  return Attach();
}

Status DirectoryWatch::Attach() {
  watch_ = ::inotify_add_watch(inotify_.get(), path_.c_str(), kEvents);
  if (watch_ < 0) return ErrnoError();
  return {};
}

void DirectoryWatch::Forget() {
  created_.clear();
  written_.clear();
}

bool DirectoryWatch::Drain() {
  bool changed = false;
  if (watch_ < 0 && Attach().ok()) changed = true;
  if (left_alone_) {
    changed = changed || !created_.empty();
    created_.clear();
    left_alone_ = false;
  }
  alignas(inotify_event) std::array<char, 16 << 10> buffer;
  while (true) {
    const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return changed;
    changed = Take({buffer.data(), static_cast<size_t>(got)}) || changed;
  }
}

bool DirectoryWatch::Take(std::string_view events) {
  bool changed = false;
  while (events.size() >= sizeof(inotify_event)) {
    inotify_event event;
    std::memcpy(&event, events.data(), sizeof(event));
    const std::string_view padded = events.substr(sizeof(event), event.len);
    changed = TakeEvent(event, std::string(padded.substr(0, padded.find('\0')))) || changed;
    events.remove_prefix(sizeof(event) + event.len);
  }
  return changed;
}

bool DirectoryWatch::TakeEvent(const inotify_event& event, const std::string& name) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    // Closes may have been lost, and a file that nobody closes would never be read again.
    Forget();
    return true;
  }
  if ((event.mask & kGone) != 0) {
    if (event.wd != watch_) return false;  // of a directory that was here before
    if ((event.mask & IN_IGNORED) == 0) ::inotify_rm_watch(inotify_.get(), watch_);
    watch_ = -1;
    Forget();
    return true;
  }
  if ((event.mask & IN_MODIFY) != 0) {
    created_.erase(name);
    written_.insert(name);
    return false;
  }
  if ((event.mask & IN_ATTRIB) != 0) return true;
  created_.erase(name);
  written_.erase(name);
  if ((event.mask & IN_CREATE) != 0 && IsNewFile(name)) created_.insert(name);
  return true;
}

// Whoever creates a regular file will close it; a link to one that exists is whole at once.
bool DirectoryWatch::IsNewFile(const std::string& name) const {
  struct stat info = {};
  if (::lstat((path_ + "/" + name).c_str(), &info) != 0) return false;
  return S_ISREG(info.st_mode) && info.st_nlink == 1;
}

DirectoryWatch::Woken DirectoryWatch::Wait(int stop_fd, int timeout_ms) {
  std::array<pollfd, 2> fds = {{{inotify_.get(), POLLIN, 0}, {stop_fd, POLLIN, 0}}};
  const bool retry = timeout_ms < 0 && (watch_ < 0 || !created_.empty());
  int ready = 0;
  do {
    ready = ::poll(fds.data(), fds.size(), retry ? kRetryMs : timeout_ms);
  } while (ready < 0 && errno == EINTR);
  if ((fds[1].revents & POLLIN) != 0) return Woken::kStop;
  if ((fds[0].revents & POLLIN) != 0) return Woken::kEvents;
  left_alone_ = retry;
  return retry ? Woken::kEvents : Woken::kTimeout;
}

std::set<std::string> DirectoryWatch::BeingWritten() const {
  std::set<std::string> names = written_;
  names.insert(created_.begin(), created_.end());
  return names;
}

}  // namespace aquifer::control
