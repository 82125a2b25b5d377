#include "redirect/pod_processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>
#include <utility>

#include "core/base/last_error.h"
#include "core/base/unique_fd.h"
#include "redirect/process_text.h"

namespace aquifer::redirect {
namespace {

constexpr size_t kMaxText = 16 << 10;
constexpr size_t kMaxProcesses = 1 << 18;
// Of one pod; the oldest are not all needed, but they may end while they are looked at.
constexpr size_t kMaxCandidates = 8;
constexpr pid_t kInit = 1;

// Of a file whose size nobody says beforehand. Empty if it has gone or is longer than any good one.
std::string ReadText(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  std::string text(kMaxText + 1, '\0');
  size_t size = 0;
  while (file.valid() && size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return "";
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kMaxText) return "";
  text.resize(size);
  return text;
}

std::optional<pid_t> PidOf(std::string_view name) {
  pid_t pid = 0;
  const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (wrong != std::errc() || end != name.data() + name.size() || pid <= 0) return std::nullopt;
  return pid;
}

}  // namespace

PodProcesses::PodProcesses(std::string proc)
    : PodProcesses(std::move(proc), [](const std::string& path) { return Netns::Open(path); }) {}

PodProcesses::PodProcesses(std::string proc, OpenNetns open)
    : proc_(std::move(proc)), open_(std::move(open)) {}

std::string PodProcesses::PathOf(pid_t pid, const char* file) const {
  return proc_ + "/" + std::to_string(pid) + "/" + file;
}

std::optional<std::string> PodProcesses::UidOf(pid_t pid) const {
  return PodUidOf(ReadText(PathOf(pid, "cgroup")));
}

bool PodProcesses::IsOf(const std::string& uid, pid_t pid) const { return UidOf(pid) == uid; }

Result<PodProcesses::Candidates, Refusal> PodProcesses::Gather(
    const std::set<std::string>& uids) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(proc_.c_str()), &::closedir);
  if (open == nullptr) return Refusal{proc_, Describe(LastError())};
  Candidates candidates;
  size_t processes = 0;
  while (const dirent* const entry = ::readdir(open.get())) {
    const std::optional<pid_t> pid = PidOf(entry->d_name);
    if (!pid) continue;
    if (++processes > kMaxProcesses) return Refusal{proc_, "has more than 262144 processes"};
    const std::optional<std::string> uid = UidOf(*pid);
    if (!uid || !uids.contains(*uid)) continue;
    const auto start_time = StartTimeOf(ReadText(PathOf(*pid, "stat")));
    if (!start_time) continue;
    std::set<Candidate>& of_pod = candidates[*uid];
    of_pod.insert({*start_time, *pid});
    if (of_pod.size() > kMaxCandidates) of_pod.erase(std::prev(of_pod.end()));
  }
  return candidates;
}

// The agent may be in another namespace than init.
Result<std::set<NetnsId>, Refusal> PodProcesses::OfHost() const {
  const std::string path = PathOf(kInit, "ns/net");
  const Result<NetnsRef> init = open_(path);
  if (!init) return Refusal{path, Describe(init.error())};
  const Result<NetnsRef> own = Netns::Current();
  if (!own) return Refusal{"the agent's own namespace", Describe(own.error())};
  return std::set<NetnsId>{(*init)->id(), (*own)->id()};
}

std::optional<PodProcesses::Process> PodProcesses::Open(const std::string& uid,
                                                        const std::set<Candidate>& candidates,
                                                        const std::set<NetnsId>& host) const {
  for (const Candidate& candidate : candidates) {
    std::string path = PathOf(candidate.pid, "ns/net");
    Result<NetnsRef> netns = open_(path);
    // Once more: the number may have become another process's before its namespace was opened.
    const bool gone = !netns.ok() && netns.error().os_error == ENOENT;
    if (gone || !IsOf(uid, candidate.pid)) continue;
    if (!netns.ok() || host.contains((*netns)->id())) return std::nullopt;
    return Process{candidate.pid, std::move(path), *std::move(netns)};
  }
  return std::nullopt;
}

Result<std::map<std::string, PodProcesses::Process>, Refusal> PodProcesses::Find(
    const std::set<std::string>& uids) const {
  std::map<std::string, Process> found;
  if (uids.empty()) return found;
  AQ_TRY(const std::set<NetnsId> host, OfHost());
  AQ_TRY(const Candidates candidates, Gather(uids));
  for (const auto& [uid, of_pod] : candidates) {
    if (std::optional<Process> process = Open(uid, of_pod, host))
      found.emplace(uid, *std::move(process));
  }
  return found;
}

}  // namespace aquifer::redirect
