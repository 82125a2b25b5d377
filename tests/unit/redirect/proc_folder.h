// A /proc with processes of a test's making. Namespaces are ordinary files in it: what is under
// test enters none of them.
#pragma once

#include <fcntl.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "redirect/pod_processes.h"
#include "tests/support/temporary_folder.h"

namespace aquifer::redirect::test {

class ProcFolder {
 public:
  ProcFolder() {
    Start(1, "0::/init.scope\n", "host", 1);
    std::ofstream(folder_.path / "uptime") << "1.00 1.00\n";
  }

  // The name of a namespace tells it from others.
  void Start(int pid, const std::string& cgroup, const std::string& netns, int start_time) const {
    const std::filesystem::path folder = folder_.path / std::to_string(pid);
    std::filesystem::create_directories(folder / "ns");
    std::ofstream(folder_.path / netns) << netns;
    std::ofstream(folder / "cgroup") << cgroup;
    std::ofstream(folder / "stat")
        << pid << " (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 " << start_time
        << " 1000 10 184467\n";
    std::filesystem::remove(folder / "ns/net");
    std::filesystem::create_symlink(folder_.path / netns, folder / "ns/net");
  }
  void End(int pid) const { std::filesystem::remove_all(folder_.path / std::to_string(pid)); }

  PodProcesses Processes() const { return PodProcesses(folder_.path, &ProcFolder::Open); }
  NetnsId IdOf(const std::string& netns) const { return (*Open(folder_.path / netns))->id(); }
  std::string path() const { return folder_.path; }

 private:
  static Result<NetnsRef> Open(const std::string& path) {
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return Error{Reason::kBadRequest, ENOENT};
    return Netns::FromFd(std::move(file));
  }

  aquifer::test::TemporaryFolder folder_;
};

}  // namespace aquifer::redirect::test
