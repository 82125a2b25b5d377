#include "redirect/process_text.h"

#include <algorithm>
#include <charconv>

namespace aquifer::redirect {
namespace {

constexpr size_t kUidSize = 36;
// Of the fields behind the name in parentheses: starttime is the 22nd of all.
constexpr int kStartTimeField = 19;

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// A UID as the API server makes them, with `dash` between its parts.
std::optional<std::string> ReadUid(std::string_view text, char dash) {
  if (text.size() != kUidSize) return std::nullopt;
  std::string uid(text);
  for (size_t i = 0; i < kUidSize; ++i) {
    const bool between = i == 8 || i == 13 || i == 18 || i == 23;
    if (between ? text[i] != dash : !IsHex(text[i])) return std::nullopt;
    if (between) uid[i] = '-';
  }
  return uid;
}

std::optional<std::string> UidOfSlice(std::string_view level) {
  static constexpr std::string_view kSlice = ".slice";
  const size_t end = level.find(kSlice);
  if (end == std::string_view::npos || end < kUidSize) return std::nullopt;
  // A runtime that was not told of systemd goes on with ":cri-containerd:<id>".
  const std::string_view rest = level.substr(end + kSlice.size());
  if (!rest.empty() && rest.front() != ':') return std::nullopt;
  const std::string_view before = level.substr(0, end - kUidSize);
  if (!before.ends_with("-pod") || before.find("kubepods") == std::string_view::npos)
    return std::nullopt;
  return ReadUid(level.substr(end - kUidSize, kUidSize), '_');
}

std::optional<std::string> UidOfLevel(std::string_view level) {
  static constexpr std::string_view kPod = "pod";
  if (level.starts_with(kPod)) {
    if (auto uid = ReadUid(level.substr(kPod.size()), '-')) return uid;
  }
  return UidOfSlice(level);
}

// Up to the next `mark`, which is taken as well.
std::string_view Take(std::string_view& text, char mark) {
  const std::string_view part = text.substr(0, text.find(mark));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

std::optional<std::string> UidOfPath(std::string_view path) {
  while (!path.empty()) {
    const std::string_view level = Take(path, '/');
    // Below it, users of the machine name groups as they like.
    if (level == "user.slice") return std::nullopt;
    if (auto uid = UidOfLevel(level)) return uid;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> PodUidOf(std::string_view cgroup) {
  std::optional<std::string> found;
  while (!cgroup.empty()) {
    std::string_view line = Take(cgroup, '\n');
    Take(line, ':');  // the number of the hierarchy
    Take(line, ':');  // its controllers
    const std::optional<std::string> uid = UidOfPath(line);
    if (!uid) continue;
    if (found && *found != *uid) return std::nullopt;
    found = uid;
  }
  return found;
}

std::optional<std::uint64_t> StartTimeOf(std::string_view stat) {
  // The name may hold anything, parentheses too.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 > stat.size()) return std::nullopt;
  std::string_view fields = stat.substr(name_end + 2);
  for (int i = 0; i < kStartTimeField; ++i) Take(fields, ' ');
  const std::string_view field = Take(fields, ' ');
  std::uint64_t ticks = 0;
  const auto [end, wrong] = std::from_chars(field.data(), field.data() + field.size(), ticks);
  if (wrong != std::errc() || end != field.data() + field.size()) return std::nullopt;
  return ticks;
}

}  // namespace aquifer::redirect
