// What the kernel says of a process in /proc: which pod it belongs to and when it began. Others
// choose what is in these texts: the name of a program, and the control groups below a container's.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aquifer::redirect {

// The UID of the pod, from the text of /proc/PID/cgroup (cgroups(7)), of both versions and of both
// ways in which kubelets name groups: "pod<uid>", and "kubepods-burstable-pod<uid>.slice" with
// underscores. In a path the outermost counts, because a container may have made what is below its
// own; hierarchies that name different pods name none.
std::optional<std::string> PodUidOf(std::string_view cgroup);

// In ticks since the machine started, from the text of /proc/PID/stat (proc_pid_stat(5)).
std::optional<std::uint64_t> StartTimeOf(std::string_view stat);

}  // namespace aquifer::redirect
