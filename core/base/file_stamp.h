// Has a file changed since it was last read? For readers that look at many files again and again:
// one stat(2) a file in place of reading it. Blocking file I/O, any thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

namespace aquifer {

struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::chrono::nanoseconds modified{0};
  std::chrono::nanoseconds changed{0};  // st_ctime, which no program can set back
  // A file system's clock ticks in milliseconds, on some in seconds: a file that changed just
  // before its stamp was taken can change again and keep the stamp.
  bool settled = false;
};

// Taken before the file is read. Links are followed; nothing if no file is there.
std::optional<FileStamp> StampOf(const std::string& path,
                                 std::chrono::system_clock::time_point now);

// Whether what was read behind `before` is what would be read behind `now`.
bool IsUnchanged(const FileStamp& before, const FileStamp& now);

}  // namespace aquifer
