// Changes in a directory, told by inotify(7). A file that has been created or written to and not
// closed since is "being written": its content is whatever the writer has got out so far, and
// nobody should believe it. One thread, which may block in Wait.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

struct inotify_event;

namespace aquifer::control {

class DirectoryWatch {
 public:
  explicit DirectoryWatch(std::string path) : path_(std::move(path)) {}

  // Begins to watch. Before the first reading, so that nothing falls in between.
  Status Start();
  // Takes in what has happened, without waiting. True if a file came, went or was closed after
  // writing, or if anything may have.
  bool Drain();

  enum class Woken { kEvents, kStop, kTimeout };
  // Waits until there is something to drain, `stop_fd` is readable or the time is over (negative:
  // never). A directory that has gone, and a file that was created and then left alone, are looked
  // at again after a second.
  Woken Wait(int stop_fd, int timeout_ms = -1);

  std::set<std::string> BeingWritten() const;

 private:
  bool Take(std::string_view events);
  bool TakeEvent(const inotify_event& event, const std::string& name);
  bool IsNewFile(const std::string& name) const;
  void Forget();
  Status Attach();

  const std::string path_;
  UniqueFd inotify_;
  int watch_ = -1;                 // -1: the directory has gone
  std::set<std::string> created_;  // and nothing written yet
  std::set<std::string> written_;  // and not closed yet
  bool left_alone_ = false;        // created_ has been waited for in vain
};

}  // namespace aquifer::control
