// Follows a directory of manifests on a thread of its own, because reading and parsing files
// blocks: reads, waits for a change, reads again. A reading during which something changed is
// thrown away and made again, so that what is handed on was whole. Owned by main(); the sink runs
// on the follower's thread.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "control/source/directory.h"
#include "control/source/follower.h"
#include "control/source/watch.h"
#include "core/base/unique_fd.h"

namespace aquifer::control {

class DirectoryFollower final : public Follower {
 public:
  // Called after the first reading and after each one that differs from the one before.
  using Sink = std::function<void(Observation)>;

  // `memory` as of ManifestDirectory.
  DirectoryFollower(std::string path, std::string memory, Sink sink);
  // Stops and joins.
  ~DirectoryFollower() override;

  // An error if the directory cannot be watched. Once.
  Status Start() override;

 private:
  void Run();
  bool ReadWhole();
  void AwaitReplacement();
  bool AwaitChange();

  ManifestDirectory directory_;
  DirectoryWatch watch_;
  const Sink sink_;
  bool behind_ = false;  // something changed during the last reading
  UniqueFd stop_;        // readable once the thread is to end
  std::thread thread_;
};

}  // namespace aquifer::control
