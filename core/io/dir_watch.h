// Tells when files of a directory may have changed (inotify). A hint, not a record: the owner looks
// at the directory itself. One waiter. One thread: its Loop's.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer::io {

class DirWatch {
 public:
  // `more`: inotify's events beside those of files that are whole, such as IN_CREATE for links.
  explicit DirWatch(std::string path, std::uint32_t more = 0)
      : path_(std::move(path)), more_(more) {}

  // Starts watching, anew if the directory was replaced. Changes before this call are not told.
  Status Arm();
  // Ok after a change, or when the directory itself went away and Arm is due.
  Task<Status> Wait(StopToken stop);
  bool armed() const { return fd_.valid(); }

 private:
  std::string path_;
  std::uint32_t more_;
  UniqueFd fd_;
};

}  // namespace aquifer::io
