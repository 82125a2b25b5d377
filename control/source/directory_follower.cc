#include "control/source/directory_follower.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

#include "core/base/check.h"

namespace aquifer::control {

DirectoryFollower::DirectoryFollower(std::string path, std::string memory, Sink sink)
    : directory_(path, std::move(memory)), watch_(std::move(path)), sink_(std::move(sink)) {}

DirectoryFollower::~DirectoryFollower() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  AQ_CHECK(::write(stop_.get(), &one, sizeof(one)) == sizeof(one));
  thread_.join();
}

Status DirectoryFollower::Start() {
  AQ_CHECK(!thread_.joinable());
  stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  if (!stop_.valid()) return Error{Reason::kSystem, errno};
  AQ_TRY_STATUS(watch_.Start());
  thread_ = std::thread([this] { Run(); });
  return {};
}

// Reads until nothing happened meanwhile. Under constant change a reading has to do after a while:
// the files that are known to be half written are not in it, and another reading follows at once.
bool DirectoryFollower::ReadWhole() {
  constexpr int kAttempts = 16;
  behind_ = true;
  for (int attempt = 0; attempt < kAttempts && behind_; ++attempt) {
    directory_.Read(watch_.BeingWritten());
    if (directory_.LosesFiles()) AwaitReplacement();
    behind_ = watch_.Drain();
  }
  return directory_.Commit(watch_.BeingWritten());
}

// Many editors move a file away before they write the new one. Its policies must not be out of
// force in between, and no event tells that a replacement is due, so a loss counts only after a
// moment.
void DirectoryFollower::AwaitReplacement() {
  constexpr int kGraceMs = 200;
  static_cast<void>(watch_.Wait(stop_.get(), kGraceMs));
}

bool DirectoryFollower::AwaitChange() {
  while (!behind_) {
    if (watch_.Wait(stop_.get()) == DirectoryWatch::Woken::kStop) return false;
    behind_ = watch_.Drain();
  }
  return true;
}

void DirectoryFollower::Run() {
  bool first = true;
  do {
    if (ReadWhole() || first) sink_(directory_.Observe());
    first = false;
  } while (AwaitChange());
}

}  // namespace aquifer::control
