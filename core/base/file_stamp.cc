#include "core/base/file_stamp.h"

#include <sys/stat.h>

namespace aquifer {
namespace {

constexpr auto kSettled = std::chrono::seconds(2);

std::chrono::nanoseconds SinceEpoch(const timespec& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

std::optional<FileStamp> StampOf(const std::string& path,
                                 std::chrono::system_clock::time_point now) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  const std::chrono::nanoseconds changed = SinceEpoch(info.st_ctim);
  return FileStamp{.device = info.st_dev,
                   .inode = info.st_ino,
                   .size = info.st_size,
                   .modified = SinceEpoch(info.st_mtim),
                   .changed = changed,
                   .settled = changed + kSettled < now.time_since_epoch()};
}

bool IsUnchanged(const FileStamp& before, const FileStamp& now) {
  return before.settled && before.device == now.device && before.inode == now.inode &&
         before.size == now.size && before.modified == now.modified &&
         before.changed == now.changed;
}

}  // namespace aquifer
