// A /proc with processes of a test's making. Namespaces are ordinary files in it: what is under
// test enters none of them.
#pragma once

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "redirect/pod_processes.h"
#include "tests/support/catch.h"

namespace aquifer::redirect::test {

class ProcFolder {
 public:
  ProcFolder() {
    std::string name = std::filesystem::temp_directory_path() / "aquifer-proc-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    Start(1, "0::/init.scope\n", "host", 1);
    std::ofstream(path_ / "uptime") << "1.00 1.00\n";
  }
  ~ProcFolder() { std::filesystem::remove_all(path_); }

  // The name of a namespace tells it from others.
  void Start(int pid, const std::string& cgroup, const std::string& netns, int start_time) const {
    const std::filesystem::path folder = path_ / std::to_string(pid);
    std::filesystem::create_directories(folder / "ns");
    std::ofstream(path_ / netns) << netns;
    std::ofstream(folder / "cgroup") << cgroup;
    std::ofstream(folder / "stat")
        << pid << " (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 " << start_time
        << " 1000 10 184467\n";
    std::filesystem::remove(folder / "ns/net");
    std::filesystem::create_symlink(path_ / netns, folder / "ns/net");
  }
  void End(int pid) const { std::filesystem::remove_all(path_ / std::to_string(pid)); }

  PodProcesses Processes() const { return PodProcesses(path_, &ProcFolder::Open); }
  NetnsId IdOf(const std::string& netns) const { return (*Open(path_ / netns))->id(); }
  std::string path() const { return path_; }

 private:
  static Result<NetnsRef> Open(const std::string& path) {
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return Error{Reason::kBadRequest, ENOENT};
    return Netns::FromFd(std::move(file));
  }

  std::filesystem::path path_;
};

}  // namespace aquifer::redirect::test
