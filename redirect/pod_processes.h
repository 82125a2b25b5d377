// Finds the network namespaces of pods the way the node sees them: through their processes in
// /proc, of which the oldest counts, because a container may give its children a namespace of their
// own. The host's namespace is never taken for a pod's. Needs CAP_SYS_PTRACE. Blocking system
// calls, one pass over all processes; any thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "redirect/netns.h"

namespace aquifer::redirect {

// Whether a path names a namespace by one of its processes, and not as the runtime does.
inline bool IsOfProcess(std::string_view path) { return path.ends_with("/ns/net"); }

class PodProcesses {
 public:
  struct Process {
    pid_t pid = 0;
    std::string path;  // of its namespace
    NetnsRef netns;
  };
  using OpenNetns = std::function<Result<NetnsRef>(const std::string& path)>;

  // `proc`: where the host's /proc is.
  explicit PodProcesses(std::string proc);
  PodProcesses(std::string proc, OpenNetns open);

  // By the UIDs of pods; what has no process, or none in a namespace of its own, is missing.
  Result<std::map<std::string, Process>, Refusal> Find(const std::set<std::string>& uids) const;
  // Whether that process is still the pod's.
  bool IsOf(const std::string& uid, pid_t pid) const;

 private:
  struct Candidate {
    std::uint64_t start_time = 0;
    pid_t pid = 0;

    friend auto operator<=>(const Candidate&, const Candidate&) = default;
  };
  using Candidates = std::map<std::string, std::set<Candidate>>;  // oldest first

  std::optional<std::string> UidOf(pid_t pid) const;
  Result<Candidates, Refusal> Gather(const std::set<std::string>& uids) const;
  Result<std::set<NetnsId>, Refusal> OfHost() const;
  std::optional<Process> Open(const std::string& uid, const std::set<Candidate>& candidates,
                              const std::set<NetnsId>& host) const;
  std::string PathOf(pid_t pid, const char* file) const;

  const std::string proc_;
  const OpenNetns open_;
};

}  // namespace aquifer::redirect
