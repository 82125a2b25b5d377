#include "core/io/dir_watch.h"

#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "core/rt/await.h"

namespace aquifer::io {
namespace {

// Not IN_MODIFY: a file that is being written is half a file.
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                  IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kGone = IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;

// Whether the watch itself came to its end.
bool HasEnded(std::span<const char> events) {
  while (events.size() >= sizeof(inotify_event)) {
    inotify_event event;
    std::memcpy(&event, events.data(), sizeof event);
    if ((event.mask & kGone) != 0) return true;
    const std::size_t size = sizeof event + event.len;
    if (size > events.size()) return false;
    events = events.subspan(size);
  }
  return false;
}

}  // namespace

Status DirWatch::Arm() {
  UniqueFd fd(::inotify_init1(IN_CLOEXEC));
  if (!fd.valid() || ::inotify_add_watch(fd.get(), path_.c_str(), kEvents | more_) < 0) {
    return Error{ReasonFromErrno(errno), errno};
  }
  fd_ = std::move(fd);
  return {};
}

Task<Status> DirWatch::Wait(StopToken stop) {
  alignas(inotify_event) std::array<char, 16 * 1024> events;
  Op op;
  op.kind = OpKind::kRead;
  op.fd = fd_.get();
  op.data = events.data();
  op.size = events.size();
  const int size = co_await OpAwaiter(op, stop);
  if (size < 0) co_return ErrorFromResult(size, stop);
  if (HasEnded({events.data(), static_cast<std::size_t>(size)})) fd_.Reset();
  co_return Status();
}

}  // namespace aquifer::io
